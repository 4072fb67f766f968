// What the user made of a thought: two buttons, whose word is journaled and teaches attention whom to trust.
import { el } from "./draw.js";

const words = new Map(); // number of an entry -> whether it was useful

export function judge(seq) {
  const box = el("span", "verdict");
  box.dataset.about = seq;
  for (const useful of [true, false]) {
    const button = el("button", "", useful ? "useful" : "not useful");
    button.type = "button";
    button.dataset.useful = useful;
    button.addEventListener("click", () => send(seq, useful, box));
    box.append(button);
  }
  box.append(el("span", "soft", ""));
  mark(box, seq);
  return box;
}

// A later word takes the place of an earlier one; the past is read newest first.
export function heard(event, newest) {
  if (!newest && words.has(event.about)) return;
  words.set(event.about, event.useful);
  const box = document.querySelector(`.verdict[data-about="${Number(event.about)}"]`);
  if (box) mark(box, event.about);
}

function mark(box, seq) {
  for (const button of box.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(words.has(seq) && String(words.get(seq)) === button.dataset.useful));
  }
}

async function send(about, useful, box) {
  const note = box.lastElementChild;
  note.textContent = "";
  try {
    const answer = await fetch("/api/feedback", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ about, useful }) });
    if (answer.ok) return heard({ about, useful }, true);
    note.textContent = (await answer.json()).error;
  } catch {
    note.textContent = "was not noted; is Wakeful still running?";
  }
}
