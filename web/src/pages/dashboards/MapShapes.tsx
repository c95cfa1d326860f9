// The shapes that a map is drawn of: a GeoJSON of the workspace, or the world's countries, loaded where needed.
import { Skeleton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, type ReactNode } from 'react';
import { ownShapes, type GeoJson, type Shapes } from './draw/map';

interface MapShapesProps {
  name: string | undefined;
  geo: unknown;
  propertyName: string;
  scope: { use_case: string; name: string };
  children: (shapes: Shapes, geo: unknown) => ReactNode;
}

function World({ children }: Pick<MapShapesProps, 'children'>) {
  const world = useQuery({
    queryKey: ['world outlines'],
    queryFn: async () => {
      const { countryOf, kWorld, worldShapes } = await import('./draw/world');
      return { geo: worldShapes(), shapes: { name: kWorld, key: 'name', nameOf: countryOf } };
    },
    staleTime: Infinity,
  });
  return world.data ? children(world.data.shapes, world.data.geo) : <Skeleton height="100%" />;
}

export function MapShapes({ name, geo, propertyName, scope, children }: MapShapesProps) {
  const shapes = useMemo(
    () => (name && geo ? ownShapes(`${scope.use_case}.${name}.${propertyName}`, geo as GeoJson, propertyName) : null),
    [name, geo, propertyName, scope],
  );
  if (!name) return <World>{children}</World>;
  return shapes ? children(shapes, geo) : <Skeleton height="100%" />;
}
