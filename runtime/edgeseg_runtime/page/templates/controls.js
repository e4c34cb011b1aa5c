// The page's own controls: sliders, keys, labels, windows.
const setup = JSON.parse(document.getElementById("setup").textContent);
const box = document.getElementById("viewer");
const screen = box.querySelector(".screen");
const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
const one = (id) => document.getElementById(id);
const sliders = Object.fromEntries(all(".sliders input").map((slider) => [slider.dataset.axis, slider]));
const place = [...setup.start];

const show = () => {
  for (const [axis, slider] of Object.entries(sliders)) {
    slider.value = place[axis];
    const number = axis === "2" ? setup.numbers[place[2]] : place[axis] + 1;
    slider.nextElementSibling.value = `${number} of ${axis === "2" ? setup.total : setup.shape[axis]}`;
  }
};
const within = (value, axis) => Math.min(Math.max(Math.round(value), 0), setup.shape[axis] - 1);
const press = (button) => {
  for (const other of button.parentElement.children) other.setAttribute("aria-pressed", other === button);
};

const listen = (viewer) => {
  const go = (axis, value) => { place[axis] = within(value, axis); viewer.go(place); show(); };
  for (const [axis, slider] of Object.entries(sliders)) {
    slider.addEventListener("input", () => go(Number(axis), Number(slider.value)));
    slider.addEventListener("wheel", (event) => {
      event.preventDefault();
      go(Number(axis), place[axis] + Math.sign(event.deltaY));
    }, { passive: false });
  }
  const steps = { ArrowUp: 1, ArrowDown: -1, ArrowRight: 1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -1e6, End: 1e6 };
  // Keys of the viewer's own would change what no control here shows.
  screen.addEventListener("keyup", (event) => event.stopPropagation(), true);
  screen.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    go(2, place[2] + steps[event.key]);
  }, true);
  for (const input of all("#labels input")) {
    input.addEventListener("input", () => {
      const label = setup.labels.find(({ value }) => value === Number(input.dataset.label));
      if (input.type === "color") label.color = input.value;
      else label.hidden = !input.checked;
      viewer.paint(setup.labels);
    });
  }
  one("opacity").addEventListener("input", ({ target }) => {
    target.nextElementSibling.value = `${target.value} %`;
    viewer.opacity(Number(target.value) / 100);
  });
  one("crosshair").addEventListener("change", ({ target }) => viewer.crosshair(target.checked));
  for (const button of all("#planes button")) {
    button.addEventListener("click", () => { press(button); viewer.planes(Number(button.dataset.kind)); });
  }
  listenToWindows(viewer);
  viewer.go(place);
  show();
};

const listenToWindows = (viewer) => {
  const buttons = all("#windows button");
  if (!buttons.length) return;
  const [width, level] = [one("width"), one("level")];
  const fill = (low, high) => { width.value = high - low; level.value = (low + high) / 2; };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const limits = [Number(button.dataset.low), Number(button.dataset.high)];
      press(button);
      fill(...limits);
      viewer.window(...limits);
    });
  }
  for (const input of [width, level]) {
    input.addEventListener("change", () => {
      const half = Math.max(Number(width.value), 1) / 2;
      for (const button of buttons) button.setAttribute("aria-pressed", "false");
      viewer.window(Number(level.value) - half, Number(level.value) + half);
    });
  }
  fill(...setup.window);
};

const begin = async () => {
  const notice = screen.querySelector(".notice");
  if (!document.createElement("canvas").getContext("webgl2")) {
    notice.textContent = "This browser draws no WebGL 2, which the viewer needs: switch it on, open the page "
      + "in another browser, or make a picture with edgeseg segment --preview. The figures below are complete.";
    box.dataset.state = "failed";
    return;
  }
  try {
    const moved = (voxel) => { voxel.slice(0, 3).forEach((at, axis) => { place[axis] = within(at, axis); }); show(); };
    const viewer = await openViewer(screen, setup, moved);
    notice.remove();
    listen(viewer);
    box.dataset.state = "ready";
  } catch (error) {
    notice.textContent = `The viewer can't show the scan here (${error.message}). The figures below are complete.`;
    box.dataset.state = "failed";
    throw error;
  }
};

await begin();
