// Colours that people with any colour vision tell apart (after Okabe and Ito), on light and on dark ground.
export interface Palette {
  series: string[];
  ink: string;
  faint: string;
  line: string;
  surface: string;
  scale: string[]; // from little to much, by lightness alone
  land: string;
}

export const light: Palette = {
  series: ['#0b6468', '#b45404', '#3f6fb5', '#a8487f', '#5d7014', '#7a5bb0', '#8a6d3b'],
  ink: '#14211f',
  faint: '#546767',
  line: '#dbe3e3',
  surface: '#ffffff',
  scale: ['#cbe7e4', '#9fd0cb', '#6bb3ae', '#3f9893', '#126f70', '#07474b'],
  land: '#e4eaea',
};
export const dark: Palette = {
  series: ['#5cc2bd', '#f0a04b', '#86b0f0', '#e58dbd', '#b8cc55', '#b9a0ee', '#d1b07a'],
  ink: '#e4edec',
  faint: '#92a4a3',
  line: '#243236',
  surface: '#131c1f',
  scale: ['#17363a', '#1e5255', '#2a7372', '#3f9893', '#6cc3bd', '#b6ebe5'],
  land: '#243236',
};
