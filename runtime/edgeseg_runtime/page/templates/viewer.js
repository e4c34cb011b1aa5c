// NiiVue behind the few verbs of this page. The bundle is a widget: it takes its state from models
// that tell it of changes, and says what the user did by messages.
class Model {
  #state; #listeners = new Map(); #heard;
  _comm_live = false; // what the widget would send to a kernel stays here
  constructor(state, heard = () => {}) { this.#state = state; this.#heard = heard; }
  get(name) { return this.#state[name]; }
  set(name, value) { this.#state[name] = value; }
  on(event, listener) { this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]); }
  off(event) { this.#listeners.delete(event); }
  send(message) { this.#heard(message); }
  save_changes() {}
  send_sync_message() {}
  tell(event, ...values) { for (const listener of this.#listeners.get(event) ?? []) listener(...values); }
  change(name, value) { this.set(name, value); this.tell(`change:${name}`); }
  order(type, ...data) { this.tell("msg:custom", { type, data }, []); }
}

const bytesOf = (id) => {
  const element = document.getElementById(id);
  const bytes = Uint8Array.from(atob(element.textContent.trim()), (letter) => letter.charCodeAt(0));
  element.remove();
  return bytes;
};

const loadWidget = async () => {
  const stream = new Blob([bytesOf("niivue")]).stream().pipeThrough(new DecompressionStream("gzip"));
  const source = await new Response(stream).text();
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { default: widget } = await import(address);
  URL.revokeObjectURL(address);
  return widget;
};

const volume = (id, state) => new Model({
  id, name: `${id}.nii.gz`, path: { name: `${id}.nii.gz`, data: { buffer: bytesOf(id).buffer } },
  url: null, data: null, paired_img_path: {}, paired_img_data: null, colormap: "gray", opacity: 1,
  colormap_negative: "", frame_4d: 0, cal_min_neg: NaN, cal_max_neg: NaN, colorbar_visible: false,
  colormap_type: 0, colormap_label: null, colormap_invert: false, modulation_image: null,
  modulate_alpha: 0, ...state,
});

// Opens the scan with the mask over it; moved(voxel) is told where the user goes.
const openViewer = async (element, setup, moved) => {
  const scan = volume("scan", { cal_min: setup.window[0], cal_max: setup.window[1] });
  const mask = volume("mask", { opacity: 0.5, cal_min: 0, cal_max: 1, colormap_label: lookup(setup.labels) });
  const thin = Math.max(...setup.shape) / 280; // in voxels: about a pixel of the screen
  const options = {
    backColor: [0, 0, 0, 1], crosshairColor: [0.43, 0.66, 0.85, 0.9], crosshairWidth: thin,
    crosshairGap: 6, fontColor: [0.91, 0.92, 0.93, 1], fontMinPx: 15, showAllOrientationMarkers: true,
    isOrientationTextVisible: setup.planes, isRadiologicalConvention: true, sagittalNoseLeft: true,
    multiplanarShowRender: 0, sliceType: setup.planes ? 3 : 0, tileMargin: 6, dragMode: 0,
    dragAndDropEnabled: false, loadingText: "", logLevel: "error",
  };
  const models = { scan, mask };
  const whole = new Model({
    opts: options, volumes: ["IPY_MODEL_scan", "IPY_MODEL_mask"], meshes: [], height: 100, graph: {},
    scene: {}, background_masks_overlays: 0, draw_lut: null, draw_opacity: 0, draw_fill_overwrites: true,
    overlay_outline_width: 0, overlay_alpha_shader: 1,
  }, ({ event, data }) => { if (event === "location_change") moved(data.vox); });
  whole.widget_manager = { get_model: async (id) => models[id] };
  const widget = await loadWidget();
  await widget.initialize({ model: whole });
  await widget.render({ model: whole, el: element });
  const choose = (changed) => {
    whole.change("opts", Object.assign(options, changed));
    whole.order("draw_scene");
  };
  return {
    go(voxel) {
      whole.change("scene", { crosshairPos: voxel.map((at, axis) => (at + 0.5) / setup.shape[axis]) });
      whole.order("draw_scene");
    },
    paint(labels) { mask.change("colormap_label", lookup(labels)); },
    opacity(share) { mask.change("opacity", share); },
    window(low, high) { scan.set("cal_min", low); scan.set("cal_max", high); scan.tell("change:cal_min"); scan.tell("change:cal_max"); },
    crosshair(on) { choose({ crosshairWidth: on ? thin : 0 }); },
    planes(kind) { choose({ sliceType: kind }); },
  };
};

// Colours by label value; what is hidden is transparent.
const lookup = (labels) => {
  const most = Math.max(...labels.map(({ value }) => value));
  const lut = new Array(4 * (most + 1)).fill(0);
  for (const { value, color, hidden } of labels) {
    const rgb = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
    lut.splice(4 * value, 4, ...rgb, hidden ? 0 : 255);
  }
  return { lut, min: 0, max: most };
};
