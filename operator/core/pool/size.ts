// The limit of one object: etcd refuses above 1.5 MiB, the API server above 1 MiB of a ConfigMap's data.
import { RenderError } from './render-error.ts';

/** Below 1 MiB, because base64 is counted after decoding, but names and keys are counted too. */
export const MAX_OBJECT_BYTES = 900 * 1024;

/** Throws RenderError when the text is too long to be written. */
export function checkSize(what: string, text: string, fix: string): void {
  const bytes = Buffer.byteLength(text, 'utf8');
  if (bytes > MAX_OBJECT_BYTES) {
    throw new RenderError(
      'ConfigTooLarge',
      `${what} would take ${Math.ceil(bytes / 1024)} KiB, and at most 900 KiB can be written: ${fix}`,
    );
  }
}
