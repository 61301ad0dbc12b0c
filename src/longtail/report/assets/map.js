// Two maps of the same items, drawn point by point into a canvas: no library, and quick at 200,000 points.
(() => {
  "use strict";
  const packed = document.getElementById("map-data");
  if (!packed) return;
  const PALETTE = {
    bucket: ["#d1495b", "#edae49", "#8fb339", "#2a9d8f", "#33658a", "#2f2a66"],
    source: ["#2f2a66", "#2a9d8f", "#edae49", "#9aa0a6"],
    category: ["#3366cc", "#dc3912", "#e8a200", "#109618", "#990099", "#0099c6", "#dd4477", "#66aa00", "#8b5a2b"],
  };
  const GREY = "#b8bcc2";

  const unpack = async () => {
    const bytes = Uint8Array.from(atob(packed.textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };

  const abgr = (hex) => {
    const value = parseInt(hex.slice(1), 16);
    return ((255 << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
  };

  const start = (data) => {
    const item = document.getElementById("map-item");
    const legend = document.getElementById("map-legend");
    const view = { x: 0.5, y: 0.5, zoom: 1 };
    let by = "bucket";
    let marked = -1;
    const colours = () => data.names[by].map((_, at) =>
      by === "category" && at === data.names.category.length - 1 ? GREY : PALETTE[by][at] ?? GREY);

    class Chart {
      constructor(name) {
        this.canvas = document.getElementById(`map-${name}`);
        this.places = data[name];
        this.canvas.addEventListener("pointermove", (event) => this.moved(event));
        this.canvas.addEventListener("pointerdown", (event) => this.pressed(event));
        this.canvas.addEventListener("pointerup", () => { this.dragged = null; });
        this.canvas.addEventListener("pointerleave", () => { this.dragged = null; mark(-1); window.longtailTip.hide(); });
        this.canvas.addEventListener("dblclick", (event) => {
          const [x, y] = this.value(event);
          view.x = x; view.y = y;
          zoom(2);
        });
        this.canvas.addEventListener("wheel", (event) => {
          if (!event.ctrlKey && !event.metaKey) return;  // a page that scrolls must go on scrolling
          event.preventDefault();
          zoom(event.deltaY < 0 ? 1.25 : 0.8);
        }, { passive: false });
      }

      get scale() { return (this.canvas.width - 12) * view.zoom; }

      // Where the item at a position of the data stands, in the canvas's own pixels.
      x(at) { return (this.places[2 * at] / data.grid - view.x) * this.scale + this.canvas.width / 2; }
      y(at) { return (view.y - this.places[2 * at + 1] / data.grid) * this.scale + this.canvas.height / 2; }

      pixel(event) {
        const box = this.canvas.getBoundingClientRect();
        const ratio = this.canvas.width / box.width;
        return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
      }

      value(event) {
        const [x, y] = this.pixel(event);
        return [(x - this.canvas.width / 2) / this.scale + view.x, view.y - (y - this.canvas.height / 2) / this.scale];
      }

      draw() {
        const side = Math.round(this.canvas.clientWidth * (window.devicePixelRatio || 1));
        if (!side) return;
        if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
        const context = this.canvas.getContext("2d");
        const picture = context.createImageData(side, side);
        const pixels = new Uint32Array(picture.data.buffer);
        const paint = colours().map(abgr);
        const groups = data[by];
        const count = data.id.length;
        const density = count > 50000 ? 1.2 : count > 8000 ? 2 : count > 1500 ? 3 : 4;
        const size = Math.max(1, Math.round(density * (side / 480) * Math.min(2.5, Math.sqrt(view.zoom))));
        for (let at = 0; at < count; at += 1) {
          if (this.places[2 * at] < 0) continue;
          const left = Math.round(this.x(at) - size / 2);
          const top = Math.round(this.y(at) - size / 2);
          if (left < 0 || top < 0 || left + size > side || top + size > side) continue;
          const colour = paint[groups[at]];
          for (let row = top; row < top + size; row += 1) pixels.fill(colour, row * side + left, row * side + left + size);
        }
        context.putImageData(picture, 0, 0);
        if (marked >= 0 && this.places[2 * marked] >= 0) {
          context.lineWidth = Math.max(2, side / 240);
          context.strokeStyle = "#111";
          context.beginPath();
          context.arc(this.x(marked), this.y(marked), side / 60, 0, 7);
          context.stroke();
        }
      }

      nearest(event) {
        const [x, y] = this.pixel(event);
        let best = (this.canvas.width / 30) ** 2;
        let found = -1;
        for (let at = 0; at < data.id.length; at += 1) {
          if (this.places[2 * at] < 0) continue;
          const away = (this.x(at) - x) ** 2 + (this.y(at) - y) ** 2;
          if (away < best) { best = away; found = at; }
        }
        return found;
      }

      pressed(event) {
        if (event.pointerType === "mouse") this.dragged = this.value(event);
        this.tell(event);
      }

      moved(event) {
        if (this.dragged) {
          const [x, y] = this.value(event);
          view.x += this.dragged[0] - x;
          view.y += this.dragged[1] - y;
          redraw();
        } else {
          this.tell(event);
        }
      }

      tell(event) {
        const found = this.nearest(event);
        mark(found);
        if (found < 0) { window.longtailTip.hide(); return; }
        const kind = data.kind[found] === null ? "" : `, ${data.kind[found]}`;
        const text = `${data.title[found]} (${data.id[found]})${kind}: ${data.n[found].toLocaleString("en")} interactions, ` +
          data.names.source[data.source[found]];
        item.textContent = this.places === data.after && data.before[2 * found] < 0 ? `${text}; no place before` : text;
        window.longtailTip.show(text, event.clientX, event.clientY);
      }
    }

    const charts = [new Chart("before"), new Chart("after")];
    let waiting = false;
    const redraw = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; charts.forEach((chart) => chart.draw()); });
    };
    const mark = (at) => { if (at !== marked) { marked = at; redraw(); } };
    const zoom = (factor) => { view.zoom = Math.min(200, Math.max(1, view.zoom * factor)); redraw(); };
    const tell = () => {
      legend.replaceChildren(...data.names[by].map((name, at) => {
        const entry = document.createElement("li");
        const colour = document.createElement("i");
        colour.style.background = colours()[at];
        entry.append(colour, name);
        return entry;
      }));
    };
    for (const choice of document.querySelectorAll("input[name=colour]")) {
      choice.addEventListener("change", () => { by = choice.value; tell(); redraw(); });
    }
    for (const button of document.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => {
        if (button.dataset.zoom === "reset") { view.x = view.y = 0.5; view.zoom = 1; redraw(); }
        else zoom(button.dataset.zoom === "in" ? 1.6 : 1 / 1.6);
      });
    }
    window.addEventListener("resize", redraw);
    window.addEventListener("beforeprint", () => charts.forEach((chart) => chart.draw()));
    tell();
    charts.forEach((chart) => chart.draw());
    document.documentElement.dataset.map = "drawn";
  };

  unpack().then(start).catch((error) => {
    document.getElementById("map-item").textContent = `The map cannot be drawn by this browser: ${error}`;
    console.error(error);
  });
})();
