/** Any script's letters, but nothing that moves a cursor. */
export const readable = (column: string, { max }: { max: number }) =>
  `length(${column}) BETWEEN 1 AND ${max} AND instr(${column}, char(0)) = 0
   AND ${column} NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'`
