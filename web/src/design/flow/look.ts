// Sizes of the picture, and the kinds' places on the way of the data.
import type { Sizes } from './layout';

export const kSizes: Sizes = {
  columnPx: 244,
  rowPx: 84,
  lanePx: 28,
  cardWidth: 200,
  cardHeight: 68,
  marginPx: 20,
  headPx: 28,
};
// On a phone the picture is read piece by piece.
export const zoomMinAt = (width: number): number => (width < 640 ? 0.75 : 0.3);
export const kBands: Record<string, number> = { source: 0, topic: 1, raw: 1, system: 2, table: 2, dashboard: 3 };
export const kBandNames = ['Sources', 'Raw, as received', 'Tables', 'Dashboards'];
