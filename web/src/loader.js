// Unpack the scripts and run them.
(async () => {
  const packed = Uint8Array.from(atob("@PACKED@"), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.body.append(script);
})().catch((reason) => {
  document.getElementById("title").textContent = "This browser is too old for the map";
  console.error(reason);
});
