// Pictures beside words: they say nothing by themselves.
const paths: Readonly<Record<string, string>> = {
  assay: 'M4 20 10 4h4l6 16M7.2 15h9.6',
  pipeline: 'M3 6h6v5H3zM15 3h6v5h-6zM15 16h6v5h-6zM9 8.5h3m0 0V5.5h3m-3 3v10h3',
  fraud: 'M12 3l8 3v6c0 5-3.5 8-8 9-4.5-1-8-4-8-9V6zM12 8v5m0 3v.5',
  review: 'M9 4h6v3H9zM9 5.500H5V21h14V5.500h-4M8.500 14l2.500 2.500 4.500-5',
  aggregations: 'M4 20V10m5.3 10V4m5.4 16v-7M20 20V8',
  rules: 'M4 6h10M4 12h7M4 18h10M17 8l2 2 3.500-4M17 15l4 4m0-4-4 4',
  quality: 'M3 12h4l3-7 4 14 3-7h4',
  tables: 'M3 5h18v14H3zM3 10h18M9 10v9',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2.5M12 19.500V22M2 12h2.500M19.500 12H22M5 5l1.700 1.700M17.300 17.300 19 19M19 5l-1.700 1.700M6.700 17.300 5 19',
  moon: 'M20 14.500A8.500 8.500 0 1 1 9.500 4 7 7 0 0 0 20 14.500z',
  close: 'M5 5l14 14M19 5 5 19',
  out: 'M14 4h6v16h-6M4 12h11m-4-4 4 4-4 4',
}

export function Icon({ name }: { readonly name: string }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={paths[name] ?? ''} />
    </svg>
  )
}
