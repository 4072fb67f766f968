// What waits for a yes: exactly what will run, and two buttons for who has the token.
import { el, plain, time } from "./draw.js";

const list = document.getElementById("approvals");
const given = /^#approve=([\w-]+)$/.exec(location.hash);
if (given) {
  sessionStorage.setItem("approve", given[1]);
  history.replaceState(null, "", location.pathname); // the token is not left in the address
}

async function decide(request, approve, card) {
  for (const button of card.querySelectorAll("button")) button.disabled = true;
  const answer = await fetch("/api/approvals", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Wakeful-Approve": sessionStorage.getItem("approve") ?? "" },
    body: JSON.stringify({ digest: request.digest, approve }),
  });
  if (!answer.ok) card.append(el("p", "soft", plain((await answer.json()).error)));
  await approvals();
}

function card(request) {
  const meta = el("p", "meta", el("span", "severity", `asks to run ${plain(request.tool)}`), el("span", "", `until ${time(request.expires_ns)}`));
  const element = el("li", "card warning", meta, el("pre", "", plain(request.shown)));
  if (request.details) element.append(el("p", "soft", `The model says why: ${plain(request.details)}`));
  if (sessionStorage.getItem("approve")) {
    for (const [label, approve] of [["Run this, once", true], ["No", false]]) {
      const button = el("button", "", label);
      button.type = "button";
      button.addEventListener("click", () => decide(request, approve, element));
      element.append(button, " ");
    }
  } else {
    element.append(el("p", "soft", `wakeful approve ${request.digest.slice(0, 8)}  ·  wakeful deny ${request.digest.slice(0, 8)}`));
  }
  return element;
}

export async function approvals() {
  const answer = await fetch("/api/approvals");
  if (answer.ok) list.replaceChildren(...(await answer.json()).map(card));
}
