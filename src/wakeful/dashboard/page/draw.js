// Builds elements from data. Text goes in by textContent only, so that nothing observed is ever markup.

export function el(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

// Control and direction marks could make a line look like another one.
export function plain(text) {
  return String(text ?? "").replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, "\ufffd");
}

export function time(ns) {
  return new Date(ns / 1e6).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

export function when(ns) {
  const date = new Date(ns / 1e6);
  const today = date.toDateString() === new Date().toDateString();
  return today ? time(ns) : `${date.toLocaleDateString([], { day: "numeric", month: "short" })} ${time(ns)}`;
}

export function ago(ns) {
  if (!ns) return "never";
  const seconds = Math.max(0, Date.now() / 1e3 - ns / 1e9);
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}

export function number(value, unit) {
  if (unit.startsWith("bytes")) {
    const each = unit.slice("bytes".length); // "/s" of a rate
    const size = Math.abs(value);
    return size >= 1e6 ? `${(value / 1e6).toFixed(1)} MB${each}` : `${(value / 1e3).toFixed(1)} kB${each}`;
  }
  return `${value.toFixed(unit === "C" ? 0 : value < 10 ? 2 : 1)}${unit}`;
}

export function metric(name) {
  const [kind, subject] = name.split(/:(.*)/s);
  const unit = kind.endsWith("_percent") ? "%" : kind.endsWith("bytes_per_s") ? "bytes/s" : kind.includes("bytes") ? "bytes" : kind === "temperature_c" ? "C" : "";
  const label = kind.replace(/_percent$|_bytes_per_s$|_c$|_per_s$/, "").replaceAll("_", " ");
  return { label: subject ? `${label} ${subject}` : label, unit };
}

export function spark(points) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("viewBox", "0 0 80 18");
  svg.setAttribute("aria-hidden", "true");
  if (points.length > 1) {
    const low = Math.min(...points);
    const span = Math.max(...points) - low || 1;
    const step = 80 / (points.length - 1);
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", points.map((y, x) => `${x ? "L" : "M"}${(x * step).toFixed(1)} ${(16 - ((y - low) / span) * 14).toFixed(1)}`).join(""));
    svg.append(path);
  }
  return svg;
}

// Parts beside each other, as wide as their amounts; the names and amounts are its title, for those who can't see it too.
export function stacked(amounts) {
  const bar = el("div", "stacked");
  const total = Object.values(amounts).reduce((sum, each) => sum + each, 0) || 1;
  for (const [name, amount] of Object.entries(amounts)) {
    const part = el("i", name);
    part.style.width = `${(100 * amount) / total}%`;
    bar.append(part);
  }
  bar.title = Object.entries(amounts).map(([name, amount]) => `${name} ${amount.toLocaleString()}`).join(", ");
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", `tokens: ${bar.title}`);
  return bar;
}
