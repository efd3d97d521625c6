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

/** Of a member that has no group. */
export const ALWAYS_RESPONSIBLE: Responsibility = { isResponsible: () => true, onChange: () => {} };

/** Of a member of a group: while it leads. */
export class LeadersResponsibility implements Responsibility {
  readonly #told: ((isResponsible: boolean) => void)[] = [];
  #leads = false;

  isResponsible(): boolean {
    return this.#leads;
  }

  onChange(changed: (isResponsible: boolean) => void): void {
    this.#told.push(changed);
  }

  set(leads: boolean): void {
    if (leads === this.#leads) return;
    this.#leads = leads;
    for (const changed of this.#told) changed(leads);
  }
}
