// Live figures follow the page's theme: light, dark, or the one that the system has.
(() => {
  const follow = () => {
    const chosen = document.body.dataset.theme ?? "auto";
    const theme = chosen === "light" || chosen === "dark" ? chosen : "auto";
    for (const frame of document.querySelectorAll(".live-figure iframe")) {
      const [page, hash = ""] = frame.getAttribute("src").split("#");
      const parts = new URLSearchParams(hash);
      if ((parts.get("theme") ?? "auto") === theme) continue;
      parts.set("theme", theme);
      frame.setAttribute("src", `${page}#${parts}`);
    }
  };
  document.addEventListener("DOMContentLoaded", () => {
    follow();
    new MutationObserver(follow).observe(document.body, { attributeFilter: ["data-theme"] });
  });
})();
