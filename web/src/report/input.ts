// What a report is made of, as the program hands it over.
import type { Dashboard, TileData } from '../api/types';

export interface ReportTile {
  index: number;
  data?: TileData;
  error?: string;
}
export interface ReportInput {
  format: 'png' | 'pdf';
  dashboard: Dashboard;
  tiles: ReportTile[]; // those that ask for something
  shapes: Record<string, unknown>; // by name: GeoJSON
  chosen: { label: string; text: string }[]; // filters that hold
  made_at: string; // "2026-11-23 04:10 Europe/Zurich"
  person: string;
  data: { name: string; version: string }[];
}
export interface ReportPage {
  width: number;
  height: number;
  svg: string;
}
