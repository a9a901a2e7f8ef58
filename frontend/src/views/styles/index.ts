/** The page's styles, in the order in which they override each other. */

import neuron from "../neuron/neuron.css?inline";
import base from "./base.css?inline";
import chat from "./chat.css?inline";
import edges from "./edges.css?inline";
import foot from "./foot.css?inline";
import head from "./head.css?inline";
import measures from "./measures.css?inline";
import model from "./model.css?inline";
import overlays from "./overlays.css?inline";
import panels from "./panels.css?inline";
import picture from "./picture.css?inline";
import tokens from "./tokens.css?inline";
import top from "./top.css?inline";
import weights from "./weights.css?inline";

export const styles = [
  base,
  top,
  chat,
  overlays,
  panels,
  head,
  tokens,
  picture,
  model,
  measures,
  weights,
  edges,
  foot,
  neuron,
].join("\n");
