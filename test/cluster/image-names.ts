// The names of the images that the project builds.

export const operatorImage = 'localhost/spillway/operator:dev';
export const pgbouncerImage = 'localhost/spillway/pgbouncer:dev';
export const postgresImage = 'localhost/spillway/postgres:dev';

/** Holds a pod's network namespace. */
export const pauseImage = 'localhost/spillway/pause:dev';

/** What `FROM debian:forky-slim` means. */
export const baseImage = 'docker.io/library/debian:forky-slim';
