// How well a text is found by what was typed: all words must occur; starts of words count more, the note less.
export function scoreOf(typed: string, title: string, note: string): number {
  const name = title.toLowerCase();
  const more = note.toLowerCase();
  let score = 0;
  for (const word of typed.toLowerCase().split(/\s+/).filter(Boolean)) {
    const place = name.indexOf(word);
    if (place === 0) score += 100;
    else if (place > 0) score += /[\s._:-]/.test(name[place - 1] ?? '') ? 80 : 40;
    else if (more.includes(word)) score += 10;
    else return 0;
  }
  return score === 0 ? 0 : score + Math.max(0, 20 - name.length / 4);
}
