// How esbuild makes one program of the sources and what they import.
import type { BuildOptions } from 'esbuild';

const require =
  "import{createRequire}from'node:module';const require=createRequire(import.meta.url);";

export const options = {
  bundle: true,
  minifySyntax: true,
  minifyWhitespace: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  logLevel: 'warning',
  banner: { js: require },
} as const satisfies BuildOptions;
