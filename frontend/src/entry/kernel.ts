import type { WidgetModel } from "../source/widget";

/** What Jupyter's widget managers know of the kernel; other hosts have none of it. */
interface Manager {
  readonly kernel?: {
    readonly isDisposed?: boolean;
    readonly status?: string;
    readonly connectionStatus?: string;
  } | null;
}

const ENDED = ["dead", "terminating", "restarting", "autorestarting"];

/** Whether the kernel that made this widget is known not to answer ever again. */
export function isGone(model: WidgetModel, el: HTMLElement): boolean {
  // Jupyter marks the views of a widget whose kernel was restarted, or that came without one from a saved notebook.
  if (el.closest(".jupyter-widgets-disconnected") !== null) return true;
  const manager = model.widget_manager as Manager | undefined;
  if (manager === undefined || !("kernel" in manager)) return false;
  const { kernel } = manager;
  if (kernel === null || kernel === undefined || kernel.isDisposed === true) return true;
  return ENDED.includes(kernel.status ?? "") || kernel.connectionStatus === "disconnected";
}
