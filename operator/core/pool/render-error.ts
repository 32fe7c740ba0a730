// What a renderer throws when its object must not be written; `renderPool` turns it into a fault.

export class RenderError extends Error {
  /** CamelCase, for a condition. */
  readonly reason: string;
  constructor(reason: string, message: string) {
    super(message);
    this.name = 'RenderError';
    this.reason = reason;
  }
}
