"use strict";

/* Copying is the one thing a page cannot do without a script. */
for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const words = document.getElementById(button.dataset.copy);
    if (await copied(words)) {
      button.textContent = button.dataset.copied;
      setTimeout(() => { button.textContent = label; }, 2000);
    }
  });
}

async function copied(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    /* An http address or an old browser: select the words and ask the browser itself. */
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}
