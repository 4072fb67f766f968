// What is kept in mind for the user: each with when it comes next; changed by who has the token, else by commands.
import { el, plain, when } from "./draw.js";

const EXAMPLE = "watch for failed backups";
const by = (id) => document.getElementById(id);
let asked = null;

// Asks at most once in two seconds, however much happens; not while somebody writes, who would lose what they wrote.
export function intentions() {
  asked ??= setTimeout(async () => {
    asked = null;
    if (by("intentions").contains(document.activeElement) && document.activeElement.value) return;
    await look();
  }, 2000);
}

async function look() {
  try {
    const answer = await fetch("/api/intentions");
    if (answer.ok) draw(await answer.json());
  } catch {
    // the page says by itself that the connection is lost
  }
}

function draw(kept) {
  const token = sessionStorage.getItem("approve");
  by("intentions").hidden = !kept.length && !token;
  by("kept").replaceChildren(...kept.map((each) => card(each, token)));
  const hint = kept.length ? `wakeful intend "…" --edit ${plain(kept[0].key)}  ·  wakeful intentions --remove ${plain(kept[0].key)}` : "";
  by("intend").replaceChildren(token ? asking("", "") : el("p", "soft", hint));
}

function card(each, token) {
  const comes = each.next_ns ? `next ${when(each.next_ns)}` : each.form === "watch" ? "whenever it comes" : "never again";
  const meta = el("p", "meta", el("span", "severity", plain(each.key)), el("span", "", comes), el("span", "", `met ${each.met} times`), each.own ? el("span", "", "its own") : null);
  const element = el("li", "intention", meta, el("p", "", plain(each.text)), el("p", "soft", plain(each.meaning)));
  if (!token) return element;
  const edit = press("Change", () => edit.replaceWith(asking(each.key, each.text)));
  element.append(...(each.own ? [] : [edit, " "]), press("Take back", () => say({ key: each.key }, element)));
  return element;
}

function asking(key, text) {
  const box = el("div", "asking");
  const input = el("input", "");
  input.value = plain(text);
  input.placeholder = EXAMPLE;
  input.maxLength = 500;
  input.setAttribute("aria-label", key ? `Change ${plain(key)}` : "Keep in mind");
  const keep = () => input.value.trim() && say({ key, text: input.value.trim() }, box);
  input.addEventListener("keydown", (event) => event.key === "Enter" && keep());
  box.append(input, press(key ? "Keep it so" : "Keep in mind", keep));
  return box;
}

function press(label, act) {
  const button = el("button", "", label);
  button.type = "button";
  button.addEventListener("click", act);
  return button;
}

async function say(word, box) {
  box.querySelector(".error")?.remove();
  try {
    const answer = await fetch("/api/intentions", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Wakeful-Approve": sessionStorage.getItem("approve") ?? "" },
      body: JSON.stringify(word),
    });
    if (answer.ok) return await look();
    box.append(el("p", "soft error", plain((await answer.json()).error)));
  } catch {
    box.append(el("p", "soft error", "was not kept; is Wakeful still running?"));
  }
}
