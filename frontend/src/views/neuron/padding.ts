/** Aligns the rows of two views side by side with padding above and below. */

export interface Padding {
  readonly above: number;
  readonly below: number;
}

/** The padding that aligns a stage from `top` to `bottom` with another; zero if that is impossible. */
export function paddingBeside(
  own: { readonly top: number; readonly bottom: number },
  other: { readonly top: number; readonly bottom: number } | null,
): Padding {
  if (other === null) return { above: 0, below: 0 };
  const above = Math.round(other.top - own.top);
  const below = Math.round(own.bottom - other.bottom);
  const most = (own.bottom - own.top) / 3;
  return above >= 0 && below >= 0 && above + below < most ? { above, below } : { above: 0, below: 0 };
}

export function samePadding(a: Padding, b: Padding): boolean {
  return a.above === b.above && a.below === b.below;
}
