// Colours of the style sheet for what is drawn on a canvas: read again whenever the theme changes.

const names = ['page', 'panel', 'line', 'cut', 'text', 'soft', 'bad', 'bad-fill', 'ok', 'ok-fill', 'open', 'open-fill', 'fail', 'fault',
  'fault-fill', 'fault-tint', 'focus', 'good', 'unknown', 'disc'] as const;
export type Role = typeof names[number];
export type Theme = Record<Role, string>;

export function readTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const theme = {} as Theme;
  for (const name of names) theme[name] = style.getPropertyValue(`--${name}`).trim() || '#888888';
  return theme;
}

let probe: CanvasRenderingContext2D | null = null;

// As a pixel of an ImageData seen through a Uint32Array on a little-endian machine. A colour may be a system colour's name.
export function pixel(colour: string, share = 1, over = '#ffffff'): number {
  const [r, g, b] = channels(colour), [or, og, ob] = channels(over);
  const mix = (x: number, y: number) => Math.round(x * share + y * (1 - share));
  return ((255 << 24) | (mix(b, ob) << 16) | (mix(g, og) << 8) | mix(r, or)) >>> 0;
}

function channels(colour: string): [number, number, number] {
  const hex = /^#([0-9a-f]{6})$/i.exec(colour);
  if (hex) {
    const n = parseInt(hex[1]!, 16);
    return [n >> 16, (n >> 8) & 255, n & 255];
  }
  probe ??= document.createElement('canvas').getContext('2d', {willReadFrequently: true})!;
  probe.fillStyle = colour;
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
  return [r!, g!, b!];
}

export function onThemeChange(changed: () => void): void {
  for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)']) matchMedia(query).addEventListener('change', changed);
}
