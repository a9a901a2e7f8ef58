export interface DividerProps {
  readonly name: string;
  readonly testid: string;
  /** Current, smallest, and largest width of the panel to its left. */
  readonly value: number;
  readonly least: number;
  readonly most: number;
  readonly onChange: (width: number) => void;
  readonly onReset: () => void;
}

const STEP = 16;

/** A divider between two panels. Drag it or use the arrow keys; double-click or press Enter to reset it. */
export function Divider(props: DividerProps) {
  let dragged: { readonly x: number; readonly width: number } | null = null;
  const key = (event: KeyboardEvent): void => {
    const targets: Readonly<Record<string, number>> = {
      ArrowLeft: props.value - STEP,
      ArrowRight: props.value + STEP,
      Home: props.least,
      End: props.most,
    };
    if (event.key in targets) props.onChange(within(targets[event.key]));
    else if (event.key === "Enter") props.onReset();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const within = (width: number): number => Math.round(Math.max(props.least, Math.min(props.most, width)));
  return (
    <div
      class="divider"
      role="separator"
      aria-orientation="vertical"
      aria-label={props.name}
      aria-valuenow={props.value}
      aria-valuemin={props.least}
      aria-valuemax={props.most}
      tabindex="0"
      data-testid={props.testid}
      on:keydown={key}
      on:dblclick={props.onReset}
      on:pointerdown={(event) => {
        if (event.button !== 0) return;
        dragged = { x: event.clientX, width: props.value };
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      on:pointermove={(event) => {
        if (dragged !== null) props.onChange(within(dragged.width + event.clientX - dragged.x));
      }}
      on:pointerup={() => {
        dragged = null;
      }}
      on:pointercancel={() => {
        dragged = null;
      }}
    />
  );
}
