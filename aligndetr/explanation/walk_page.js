for (const button of document.querySelectorAll("button")) button.onclick = () => {
  const depth = Number(button.dataset.depth);
  for (const step of document.querySelectorAll("details"))
    step.open = Number(step.dataset.depth) < depth; };
