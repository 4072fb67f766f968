// How predictions turned out: the reliability diagram (said against happened), the skill, and the newest ones.
import { el, plain } from "./draw.js";

const SIZE = 150;
const MARGIN = 22;
const SHOWN = 5;
const SIGN = { true: "✓", false: "✗", open: "…", unverified: "?" };
const by = (id) => document.getElementById(id);
let asked = null;

// Asks at most once in two seconds, however much happens.
export function predictions() {
  asked ??= setTimeout(async () => {
    asked = null;
    try {
      const answer = await fetch("/api/predictions");
      if (answer.ok) draw(await answer.json());
    } catch {
      // the page says by itself that the connection is lost
    }
  }, 2000);
}

function draw(found) {
  const scores = found.calibration;
  by("predictions").hidden = !found.forecasts.length;
  const worth = scores.skill === null ? "" : `, skill ${scores.skill.toFixed(2)} against the base rate`;
  by("skill").textContent = scores.brier === null
    ? `None resolved yet; ${found.open} open.`
    : `${scores.resolved} resolved, ${found.open} open. Brier score ${scores.brier.toFixed(3)}${worth}.`;
  by("reliability").replaceChildren(...(scores.bins.length ? [diagram(scores.bins)] : []));
  const newest = found.forecasts.slice(-SHOWN).reverse();
  by("forecasts").replaceChildren(...newest.map((each) => {
    const line = el("li", each.state, `${SIGN[each.state]} ${Math.round(100 * each.probability)} % ${plain(each.words)}`);
    line.title = plain([each.state, each.condition, each.why].filter(Boolean).join(": "));
    return line;
  }));
}

function diagram(bins) {
  const svg = shape("svg", { class: "reliability", viewBox: `0 0 ${SIZE + MARGIN + 6} ${SIZE + MARGIN + 6}`, role: "img" });
  const told = bins.map((each) => `said ${percent(each.said)}, came true ${percent(each.happened)} of ${each.count}`);
  svg.setAttribute("aria-label", `Reliability: ${told.join("; ")}`);
  const x = (share) => MARGIN + share * SIZE;
  const y = (share) => 4 + (1 - share) * SIZE;
  svg.append(
    shape("rect", { class: "frame", x: x(0), y: y(1), width: SIZE, height: SIZE }),
    shape("line", { class: "ideal", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }),
    words("said", x(0.5), SIZE + MARGIN),
    words("0", x(0), SIZE + 14),
    words("1", x(1), SIZE + 14),
    words("came true", 10, y(0.5), `rotate(-90 10 ${y(0.5)})`),
  );
  const most = Math.max(...bins.map((each) => each.count));
  bins.forEach((each, at) => {
    const dot = shape("circle", { cx: x(each.said), cy: y(each.happened), r: 3 + 5 * Math.sqrt(each.count / most) });
    dot.append(shape("title", {}));
    dot.firstChild.textContent = told[at];
    svg.append(dot);
  });
  return svg;
}

function percent(share) {
  return `${Math.round(100 * share)} %`;
}

function words(text, x, y, transform = "") {
  const element = shape("text", { x, y, "text-anchor": "middle", ...(transform ? { transform } : {}) });
  element.textContent = text;
  return element;
}

function shape(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
