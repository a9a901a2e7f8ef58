/** The message for a worker that failed. */
export function workerFailure({ message }: Pick<ErrorEvent, "message">): string {
  return `The background computation failed: ${message}.`;
}
