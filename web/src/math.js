// Renders what pymdownx.arithmatex marks as mathematics, and nothing else on the page.
import "katex/dist/katex.min.css";
import katex from "katex";

for (const element of document.querySelectorAll(".arithmatex")) {
  const text = element.textContent.trim();
  const displayMode = text.startsWith("\\[");
  katex.render(text.slice(2, -2), element, { displayMode, throwOnError: false });
}
