// What a mark stands for, beside the pointer; a tap does the same.
(() => {
  "use strict";
  const tip = document.getElementById("tip");
  const show = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(4, x + 12), document.documentElement.clientWidth - box.width - 4);
    const top = y + 18 + box.height > window.innerHeight ? y - box.height - 10 : y + 18;
    tip.style.left = `${left}px`;
    tip.style.top = `${Math.max(4, top)}px`;
  };
  const hide = () => { tip.hidden = true; };
  const at = (event) => {
    const mark = event.target.closest?.("[data-tip]");
    if (mark) show(mark.dataset.tip, event.clientX, event.clientY);
    else if (event.target.tagName !== "CANVAS") hide();
  };
  document.addEventListener("pointermove", at);
  document.addEventListener("pointerdown", at);
  document.addEventListener("scroll", hide, { passive: true });
  window.longtailTip = { show, hide };
  window.addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details")) folded.open = true;
  });
})();
