// Starts the page. Its script is compressed in the file, and may run because the content security policy names its hash.
(async () => {
  try {
    const packed = Uint8Array.from(atob(document.getElementById("program").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.body.append(script);
  } catch (error) {
    document.body.textContent = `This page cannot start (${error}). Open it in a browser from 2023 or later.`;
  }
})();
