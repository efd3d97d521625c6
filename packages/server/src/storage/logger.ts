/** The part of a pino logger that storage uses. */
export interface StorageLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

export const silent: StorageLogger = { info: () => {}, warn: () => {} };
