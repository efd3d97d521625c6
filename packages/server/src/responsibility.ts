/**
 * Which member does durable work that nobody asked for: it drops old history, checks the health of persistent instances,
 * lets operators' records expire. One member of a cluster does it for all, the one that leads; a member alone always does.
 *
 * It saves work and decides nothing: what is done goes through the log as everything else, and is right also when two
 * members believe for a moment that it is theirs.
 */
export interface Responsibility {
  isResponsible(): boolean;
  /** Tells of each change from now on. */
  onChange(changed: (isResponsible: boolean) => void): void;
}

/** Of a member without others. */
export const ALWAYS_RESPONSIBLE: Responsibility = { isResponsible: () => true, onChange: () => {} };
