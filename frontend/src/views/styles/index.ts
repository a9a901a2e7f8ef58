/** The styles of the page; later ones override earlier ones. */

import base from "./base.css?inline";
import changes from "./changes.css?inline";
import chat from "./chat.css?inline";
import comparison from "./comparison.css?inline";
import edges from "./edges.css?inline";
import effect from "./effect.css?inline";
import head from "./head.css?inline";
import image from "./image.css?inline";
import measures from "./measures.css?inline";
import model from "./model.css?inline";
import neuron from "./neuron.css?inline";
import overlays from "./overlays.css?inline";
import panels from "./panels.css?inline";
import readout from "./readout.css?inline";
import tokens from "./tokens.css?inline";
import toolbar from "./toolbar.css?inline";
import weights from "./weights.css?inline";

export const styles = [
  base,
  toolbar,
  comparison,
  changes,
  chat,
  overlays,
  panels,
  head,
  tokens,
  image,
  model,
  measures,
  weights,
  edges,
  effect,
  readout,
  neuron,
].join("\n");
