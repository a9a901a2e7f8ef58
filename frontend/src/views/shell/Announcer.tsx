import { createEffect, createSignal, on } from "solid-js";
import { counted } from "../../marks/format";
import type { Session } from "../../state/session";
import type { Work } from "../../state/work";

/** Progress is spoken when it passes these shares. */
const SPOKEN_SHARES = [0.75, 0.5, 0.25];
const BEGINS: Readonly<Partial<Record<Work["what"], string>>> = {
  run: "Running the model",
  check: "Checking against the model",
};

/** Tells screen readers that a run or a check began, how far it is, and that it ended. Failures and notices speak for themselves. */
export function Announcer(props: { readonly session: Session }) {
  const { session } = props;
  const [spoken, setSpoken] = createSignal("");
  const trace = () => session.state().trace;
  let passed = 0;
  let [traceBefore, certificateBefore] = [trace(), trace()?.certificate];
  const end = (what: Work["what"]): string => {
    if (session.failure() !== null) return "";
    const now = trace();
    if (what === "check") {
      return now?.certificate === certificateBefore ? "Check canceled" : (now?.certificate?.sentence ?? "");
    }
    if (now === null || now === traceBefore) return "Run canceled";
    const tokens = Object.values(now.tokens).reduce((sum, side) => sum + side.length, 0);
    return `Done: ${counted(tokens, "token")} in ${now.model.title ?? "the model"}`;
  };
  createEffect(
    on(session.work, (work, before) => {
      const doing = before?.what;
      if (work === null || work.what !== doing) {
        if (doing !== undefined && doing in BEGINS) setSpoken(end(doing));
        if (work === null || !(work.what in BEGINS)) return;
        [passed, traceBefore, certificateBefore] = [0, trace(), trace()?.certificate];
        setSpoken(BEGINS[work.what] ?? "");
        return;
      }
      if (!(work.what in BEGINS) || work.total === 0) return;
      const share = SPOKEN_SHARES.find((one) => work.done / work.total >= one) ?? 0;
      if (share <= passed) return;
      passed = share;
      setSpoken(`${work.text}, ${100 * share}%`);
    }),
  );
  return (
    <div class="heard" role="status" data-testid="announcer">
      {spoken()}
    </div>
  );
}
