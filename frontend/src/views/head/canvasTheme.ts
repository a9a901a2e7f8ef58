/** The page's colors, and the turn of the axes, for the canvases of the head view. */

/** Theme colors of the page, for canvases. */
export interface Theme {
  readonly dark: boolean;
  readonly ink: string;
  readonly quiet: string;
  readonly panel: string;
  readonly accent: string;
  readonly soft: string;
  /** Only for what was changed in the model. */
  readonly changed: string;
  readonly font: string;
}

export function readTheme(element: Element, dark: boolean): Theme {
  const style = getComputedStyle(element);
  const color = (name: string) => style.getPropertyValue(name).trim();
  return {
    dark,
    ink: color("--ink"),
    quiet: color("--ink2"),
    panel: color("--panel"),
    accent: color("--accent"),
    soft: color("--accent-soft"),
    changed: color("--changed"),
    font: style.fontFamily,
  };
}

/** Makes x run across and y along the tokens; in a turned view these are the screen's y and x. */
export function orient(context: CanvasRenderingContext2D, turned: boolean, ratio: number): void {
  if (turned) context.setTransform(0, ratio, ratio, 0, 0, 0);
  else context.setTransform(ratio, 0, 0, ratio, 0, 0);
}
