// Starts the page: its script lies compressed in the file, and runs because the file's policy names its hash.
(async () => {
  try {
    const packed = Uint8Array.from(atob(document.getElementById("program").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.body.append(script);
  } catch (error) {
    document.body.textContent = `This page could not be started (${error}). It needs a browser of 2023 or later.`;
  }
})();
