import type { WidgetModel } from "../source/widget";

/** Kernel state in Jupyter's widget managers; other hosts do not have it. */
interface Manager {
  readonly kernel?: {
    readonly isDisposed?: boolean;
    readonly status?: string;
    readonly connectionStatus?: string;
  } | null;
}

const ENDED = ["dead", "terminating", "restarting", "autorestarting"];

/** Whether the kernel that created this widget is known to have shut down. */
export function isGone(model: WidgetModel, el: HTMLElement): boolean {
  // Jupyter marks the views of widgets whose kernel was restarted, or that a saved notebook shows without a kernel.
  if (el.closest(".jupyter-widgets-disconnected") !== null) return true;
  const manager = model.widget_manager as Manager | undefined;
  if (manager === undefined || !("kernel" in manager)) return false;
  const { kernel } = manager;
  if (kernel === null || kernel === undefined || kernel.isDisposed === true) return true;
  return ENDED.includes(kernel.status ?? "") || kernel.connectionStatus === "disconnected";
}
