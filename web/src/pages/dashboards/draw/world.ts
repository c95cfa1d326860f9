// The outlines of countries, in the program: nothing is asked of a server of maps. From Natural Earth (public domain),
// as prepared by the package world-atlas (ISC).
import { feature } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import atlas from 'world-atlas/countries-110m.json';
import { countryNumbers } from '../../../design/chart/countries';

export const kWorld = 'world';

const topology = atlas as unknown as Topology<{ countries: GeometryCollection<{ name: string }> }>;

const nameOf = (shape: { properties: unknown }): string => (shape.properties as { name?: string } | null)?.name ?? '';

// A ring that leaves the map in the east and comes back in the west goes on in the east instead.
function unwrapped(ring: number[][]): number[][] {
  const leaves = ring.some((point, at) => at > 0 && Math.abs(point[0]! - ring[at - 1]![0]!) > 180);
  return leaves ? ring.map(([lon = 0, lat = 0]) => [lon < 0 ? lon + 360 : lon, lat]) : ring;
}

export function worldShapes() {
  const all = feature(topology, topology.objects.countries);
  const features = all.features
    .filter((shape) => nameOf(shape) !== 'Antarctica')
    .map(({ geometry, ...rest }) => {
      if (geometry.type === 'Polygon') {
        return { ...rest, geometry: { ...geometry, coordinates: geometry.coordinates.map(unwrapped) } };
      }
      if (geometry.type !== 'MultiPolygon') return { ...rest, geometry };
      return {
        ...rest,
        geometry: { ...geometry, coordinates: geometry.coordinates.map((rings) => rings.map(unwrapped)) },
      };
    });
  return { ...all, features };
}

const names = new Map(
  topology.objects.countries.geometries.flatMap((shape) => {
    const name = nameOf({ properties: shape.properties });
    return [
      [name.toLowerCase(), name],
      [String(shape.id), name],
    ] as [string, string][];
  }),
);

// The country's name on the map, by its name or any of its ISO 3166 codes; undefined for what is not there.
export function countryOf(text: string): string | undefined {
  const number = countryNumbers.get(text.toUpperCase().padStart(/^\d+$/.test(text) ? 3 : 0, '0'));
  return (number === undefined ? undefined : names.get(number)) ?? names.get(text.toLowerCase());
}
