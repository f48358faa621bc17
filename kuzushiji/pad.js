// The browser's half of DrawingPad (pad.py): it draws strokes and hands them over; Python inks, reads and answers.

const LABEL =
  "Drawing pad. Draw one kana with mouse, pen or finger. Without one of these, assign a picture to image in Python.";

function element(tag, parent, attributes, text = "") {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return parent.appendChild(made);
}

function render({ model, el }) {
  const root = element("div", el, { class: "kuzushiji-pad" });
  root.setAttribute("data-lm-suppress-shortcuts", "true"); // Enter and Space belong to the buttons, not to JupyterLab
  const canvas = element("canvas", root, { role: "img", "aria-label": LABEL });
  const buttons = element("div", root, { class: "buttons" });
  const undo = element("button", buttons, { type: "button" }, "undo");
  const clear = element("button", buttons, { type: "button" }, "clear");
  const answer = element("div", root, { class: "answer", role: "status", "aria-live": "polite" });
  const first = element("div", answer, { class: "first" });
  const rest = element("div", answer, { class: "rest" });

  const ratio = Math.max(1, window.devicePixelRatio || 1);
  const side = (canvas.width = canvas.height = Math.round(280 * ratio));
  const context = canvas.getContext("2d");
  const paper = new Image();
  let current = null; // the stroke being drawn
  let pointer = null; // and the pointer that draws it: other fingers are ignored

  function draw() {
    context.fillStyle = "white";
    context.fillRect(0, 0, side, side);
    if (model.get("_paper") && paper.complete && paper.naturalWidth) context.drawImage(paper, 0, 0, side, side);
    context.strokeStyle = "black";
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = model.get("brush") * side;
    for (const stroke of current ? [...model.get("strokes"), current] : model.get("strokes")) {
      context.beginPath();
      context.moveTo(stroke[0][0] * side, stroke[0][1] * side);
      for (const [x, y] of stroke) context.lineTo(x * side, y * side);
      context.stroke();
    }
  }

  function takePaper() {
    paper.src = model.get("_paper") || "data:,";
    draw();
  }

  function say() {
    const reading = model.get("_answer");
    first.textContent = reading.first;
    rest.textContent = reading.rest;
    answer.setAttribute("aria-busy", "false");
  }

  function change(strokes, paper = model.get("_paper")) {
    if (!strokes.length && !paper && !model.get("strokes").length && !model.get("_paper")) return;
    first.textContent = "reading …";
    rest.textContent = "";
    answer.setAttribute("aria-busy", "true");
    model.set("strokes", strokes);
    model.set("_paper", paper);
    model.save_changes();
    draw();
  }

  function point(event) {
    const box = canvas.getBoundingClientRect();
    // What runs over the edge stays close to it: Python refuses points that are far outside.
    const share = (value) => Math.round(1e4 * Math.min(1.2, Math.max(-0.2, value))) / 1e4;
    return [share((event.clientX - box.left) / box.width), share((event.clientY - box.top) / box.height)];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (current || event.button !== 0) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    pointer = event.pointerId;
    current = [point(event)];
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!current || event.pointerId !== pointer) return;
    const missed = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    current.push(...(missed.length ? missed : [event]).map(point));
    draw();
  });
  function finish(event) {
    if (!current || event.pointerId !== pointer) return;
    const stroke = event.type === "pointerup" ? [...current, point(event)] : current; // a cancelled one has no place
    current = pointer = null;
    change([...model.get("strokes"), stroke]);
  }
  canvas.addEventListener("pointerup", finish);
  canvas.addEventListener("pointercancel", finish);
  undo.addEventListener("click", () => {
    if (model.get("strokes").length) change(model.get("strokes").slice(0, -1));
  });
  clear.addEventListener("click", () => change([], ""));

  paper.addEventListener("load", draw);
  model.on("change:strokes", draw);
  model.on("change:_paper", takePaper);
  model.on("change:_answer", say);
  takePaper();
  say();
  return () => {
    model.off("change:strokes", draw);
    model.off("change:_paper", takePaper);
    model.off("change:_answer", say);
  };
}

export default { render };
