"use strict";
// The map of a page: draws candidates, core and picks, says what lies under the pointer, and changes colours.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const canvas = byId("map-canvas"), tip = byId("map-tip"), choice = byId("map-color"), legend = byId("map-legend");
  const TYPES = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i4: Int32Array, f4: Float32Array };
  const STEPS = 65535, MARGIN = 14, REACH = 12;

  function unpack(text, type) {
    const raw = atob(text), bytes = new Uint8Array(raw.length);
    for (let k = 0; k < raw.length; k++) bytes[k] = raw.charCodeAt(k);
    return new TYPES[type](bytes.buffer);
  }
  function unpackAll(part, types) {
    const out = {};
    for (const [name, type] of Object.entries(types)) if (part && part[name] !== undefined) out[name] = unpack(part[name], type);
    return out;
  }
  const points = unpackAll(data.points, { xy: "u2", group: "u1", file: "i4", frame: "i4", atoms: "i4", energy: "f4", left: "f4" });
  const grid = unpackAll(data.grid, { count: "u4", group: "u1", energy: "f4" });
  const core = unpackAll(data.core, { xy: "u2", file: "i4", frame: "i4" });
  const picks = { ...data.picks, xy: unpack(data.picks.xy, "u2") };
  const nPicks = picks.row.length, nPoints = points.xy ? points.xy.length / 2 : 0;

  // What colours can stand for: of candidates, of picks, or of both.
  const MODES = [];
  const hasGrid = grid.count !== undefined;
  if (hasGrid) MODES.push({ id: "number", name: "number of candidates", cells: grid.count, log: true });
  if (data.groupKey) MODES.push({ id: "group", name: data.groupKey });
  if (points.left) MODES.push({ id: "left", name: "uncertainty that is left, noise", values: points.left, log: true });
  if (data.energyKey) MODES.push({ id: "energy", name: "energy per atom, by " + data.energyKey, values: points.energy, cells: grid.energy, ofPicks: picks.energy });
  MODES.push({ id: "rank", name: "rank of the picks", ofPicks: picks.row.map((_, k) => k + 1) });
  if (picks.score.some((score) => score !== null)) MODES.push({ id: "score", name: "score of the picks", ofPicks: picks.score });
  for (const mode of MODES) {
    const all = [];
    for (const list of [mode.values, mode.cells, mode.ofPicks])
      if (list) for (const value of list) if (value !== null && Number.isFinite(value) && (!mode.log || value > 0)) all.push(value);
    mode.low = all.reduce((a, b) => Math.min(a, b), Infinity);
    mode.high = all.reduce((a, b) => Math.max(a, b), -Infinity);
    choice.add(new Option(mode.name, mode.id));
  }

  const VIRIDIS = [[68, 1, 84], [65, 68, 135], [42, 120, 142], [34, 168, 132], [122, 209, 81], [253, 231, 37]];
  const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches && !matchMedia("print").matches;
  function shade(t) {
    // The darkest colours cannot be seen on a dark page.
    const least = isDark() ? 0.2 : 0;
    const at = (least + (1 - least) * Math.min(Math.max(t, 0), 1)) * (VIRIDIS.length - 1), k = Math.min(Math.floor(at), VIRIDIS.length - 2);
    return "rgb(" + VIRIDIS[k].map((low, c) => Math.round(low + (at - k) * (VIRIDIS[k + 1][c] - low))).join(",") + ")";
  }
  function scaled(mode, value) {
    if (value === null || value === undefined || !Number.isFinite(value) || (mode.log && value <= 0)) return null;
    const f = mode.log ? Math.log : (x) => x;
    return mode.high > mode.low ? shade((f(value) - f(mode.low)) / (f(mode.high) - f(mode.low))) : shade(0.5);
  }

  let theme = {};
  function readTheme() {
    const style = getComputedStyle(document.documentElement);
    const names = ["ink", "paper", "pick", "core", "rest", "line", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];
    theme = Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
    theme.groups = names.slice(6).map((name) => theme[name]);
  }
  const groupColor = (code) => theme.groups[code % theme.groups.length];
  const current = () => MODES.find((mode) => mode.id === choice.value);
  let width = 0, height = 0;
  const px = (xy, k) => MARGIN + xy[2 * k] / STEPS * (width - 2 * MARGIN);
  const py = (xy, k) => height - MARGIN - xy[2 * k + 1] / STEPS * (height - 2 * MARGIN);

  function colorOfPoint(mode, k) {
    if (mode.id === "group") return groupColor(points.group[k]);
    return (mode.values && scaled(mode, mode.values[k])) || theme.rest;
  }
  function colorOfPick(mode, k) {
    if (mode.id === "group") return groupColor(picks.group[k]);
    if (mode.ofPicks) return scaled(mode, mode.ofPicks[k]) || theme.rest;
    return (mode.values && scaled(mode, mode.values[picks.row[k]])) || theme.paper;
  }
  function drawGrid(pen, mode) {
    const w = (width - 2 * MARGIN) / data.grid.columns, h = (height - 2 * MARGIN) / data.grid.rows;
    const most = grid.count.reduce((a, b) => Math.max(a, b), 1);
    for (let k = 0; k < grid.count.length; k++) {
      if (!grid.count[k]) continue;
      pen.globalAlpha = mode.id === "number" ? 1 : 0.25 + 0.75 * Math.log1p(grid.count[k]) / Math.log1p(most);
      pen.fillStyle = mode.id === "group" ? groupColor(grid.group[k]) : (mode.cells && scaled(mode, mode.cells[k])) || theme.rest;
      const column = k % data.grid.columns, row = Math.floor(k / data.grid.columns);
      pen.fillRect(MARGIN + column * w, height - MARGIN - (row + 1) * h, w + 0.6, h + 0.6);
    }
    pen.globalAlpha = 1;
  }
  function draw() {
    readTheme();
    const mode = current(), ratio = Math.max(window.devicePixelRatio || 1, 2), pen = canvas.getContext("2d");
    width = canvas.clientWidth; height = canvas.clientHeight;
    canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
    pen.scale(ratio, ratio);
    if (hasGrid) drawGrid(pen, mode);
    const size = nPoints > 4000 ? 1.6 : nPoints > 800 ? 2.4 : 3.2;
    for (let k = 0; k < nPoints; k++) {
      pen.fillStyle = colorOfPoint(mode, k);
      pen.beginPath(); pen.arc(px(points.xy, k), py(points.xy, k), size, 0, 7); pen.fill();
    }
    pen.strokeStyle = theme.core; pen.lineWidth = 1.2;
    for (let k = 0; k < data.core.n; k++) {
      const x = px(core.xy, k), y = py(core.xy, k);
      pen.beginPath(); pen.moveTo(x - 3, y - 3); pen.lineTo(x + 3, y + 3); pen.moveTo(x - 3, y + 3); pen.lineTo(x + 3, y - 3); pen.stroke();
    }
    const radius = nPicks > 300 ? 3.2 : nPicks > 60 ? 4.2 : 5.5;
    for (let k = nPicks - 1; k >= 0; k--) {
      pen.beginPath(); pen.arc(px(picks.xy, k), py(picks.xy, k), radius, 0, 7);
      pen.fillStyle = colorOfPick(mode, k); pen.fill();
      pen.strokeStyle = theme.paper; pen.lineWidth = 3.4; pen.stroke();
      pen.strokeStyle = theme.pick; pen.lineWidth = 1.7; pen.stroke();
    }
    drawLegend(mode);
  }
  function key(parent, mark, style, text) {
    const span = document.createElement("span"), sign = document.createElement("i");
    span.className = "key"; sign.className = mark; sign.style.background = style; sign.textContent = mark === "core-mark" ? "×" : "";
    span.append(sign, text); parent.append(span);
  }
  function drawLegend(mode) {
    legend.replaceChildren();
    key(legend, "pick-mark", "", "picks");
    if (data.core.n) key(legend, "core-mark", "", "core");
    if (mode.id === "group") {
      data.groups.slice(0, 24).forEach((name, code) => key(legend, "", groupColor(code), name));
      if (data.groups.length > 24) legend.append("and " + (data.groups.length - 24) + " more");
      return;
    }
    const scale = document.createElement("span");
    scale.className = "scale"; scale.style.background = "linear-gradient(90deg," + VIRIDIS.map((_, k) => shade(k / (VIRIDIS.length - 1))).join(",") + ")";
    legend.append(mode.name + ": " + short(mode.low), scale, short(mode.high));
  }
  const short = (value) => value === null || !Number.isFinite(value) ? "unknown" : String(Number(value.toPrecision(4)));

  function place(files, file, frame) { return (file >= 0 && files[file] ? files[file] + ", frame " : "structure ") + frame; }
  function told(kind, k) {
    if (kind === "cell") {
      const lines = [grid.count[k] + (grid.count[k] === 1 ? " candidate" : " candidates")];
      if (grid.group) lines.push("most of them: " + data.groups[grid.group[k]]);
      if (grid.energy && Number.isFinite(grid.energy[k])) lines.push("mean energy per atom " + short(grid.energy[k]));
      return lines;
    }
    if (kind === "core") return ["core", core.file ? place(data.core.files, core.file[k], core.frame[k]) : "structure " + k];
    const from = kind === "pick" ? picks : points, lines = [];
    if (kind === "pick") lines.push("pick " + (k + 1) + (picks.score[k] === null ? "" : ", score " + short(picks.score[k])));
    lines.push(place(data.files, from.file[k], from.frame[k]));
    lines.push((data.groupKey ? data.groups[from.group[k]] + ", " : "") + from.atoms[k] + (from.atoms[k] === 1 ? " atom" : " atoms"));
    if (from.energy && from.energy[k] !== null && Number.isFinite(from.energy[k])) lines.push("energy per atom " + short(from.energy[k]));
    const left = points.left && points.left[kind === "pick" ? picks.row[k] : k];
    if (left) lines.push("uncertainty that is left " + short(left) + " noise");
    return lines;
  }
  function nearest(xy, count, x, y) {
    let best = -1, least = REACH * REACH;
    for (let k = 0; k < count; k++) {
      const dx = px(xy, k) - x, dy = py(xy, k) - y, d = dx * dx + dy * dy;
      if (d < least) { least = d; best = k; }
    }
    return best;
  }
  function under(event) {
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    for (const [kind, xy, count] of [["pick", picks.xy, nPicks], ["point", points.xy, nPoints], ["core", core.xy, data.core.n]]) {
      const k = count ? nearest(xy, count, x, y) : -1;
      if (k >= 0) return { kind, k, x: px(xy, k), y: py(xy, k) };
    }
    if (!hasGrid) return null;
    const column = Math.floor((x - MARGIN) / (width - 2 * MARGIN) * data.grid.columns);
    const row = Math.floor((height - MARGIN - y) / (height - 2 * MARGIN) * data.grid.rows);
    const k = row * data.grid.columns + column;
    const inside = column >= 0 && row >= 0 && column < data.grid.columns && row < data.grid.rows;
    return inside && grid.count[k] ? { kind: "cell", k, x, y } : null;
  }
  function hover(event) {
    const found = under(event);
    tip.style.display = found ? "block" : "none";
    canvas.style.cursor = found && found.kind === "pick" ? "pointer" : "default";
    if (!found) return;
    tip.replaceChildren(...told(found.kind, found.k).map((line) => Object.assign(document.createElement("div"), { textContent: line })));
    const left = Math.min(found.x + 12, width - tip.offsetWidth - 4);
    tip.style.left = Math.max(left, 4) + "px";
    tip.style.top = (found.y + tip.offsetHeight + 16 < height ? found.y + 12 : found.y - tip.offsetHeight - 12) + "px";
  }
  canvas.addEventListener("pointermove", hover);
  canvas.addEventListener("pointerdown", hover);
  // A finger leaves when it is lifted: what it pointed at stays until something else is touched.
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") tip.style.display = "none"; });
  document.addEventListener("pointerdown", (event) => { if (event.target !== canvas) tip.style.display = "none"; });
  canvas.addEventListener("click", (event) => {
    const found = under(event);
    if (event.pointerType !== "touch" && found && found.kind === "pick") location.hash = "pick-" + (found.k + 1);
  });
  choice.addEventListener("change", draw);
  window.addEventListener("resize", draw);
  window.addEventListener("beforeprint", draw);
  window.addEventListener("afterprint", draw);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", draw);
  draw();
})();
