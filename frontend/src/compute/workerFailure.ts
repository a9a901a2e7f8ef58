/** What is told of a worker that broke down. */
export function workerFailure({ message }: Pick<ErrorEvent, "message">): string {
  return `The background computation failed: ${message}.`;
}
