/** A download arrow. */
export function ExportIcon() {
  return (
    <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
      <path d="M7 1.5V9M4 6.2 7 9.2 10 6.2M1.8 10.5V12.5H12.2V10.5" />
    </svg>
  );
}
