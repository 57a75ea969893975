// A copy button beside every command. Where the clipboard is out of reach the command is selected instead.

function selectText(element: Element): void {
  const range = document.createRange();
  range.selectNodeContents(element);
  const selection = getSelection();
  selection?.removeAllRanges();
  selection?.addRange(range);
}

export function addCopyButtons(): void {
  for (const command of document.querySelectorAll('.commands .cmd')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    button.textContent = 'copy';
    button.setAttribute('aria-label', 'copy the command');
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(command.textContent ?? '');
        button.textContent = 'copied';
      } catch {
        selectText(command);
        button.textContent = 'selected';
      }
      setTimeout(() => { button.textContent = 'copy'; }, 1500);
    });
    command.after(button);
  }
}
