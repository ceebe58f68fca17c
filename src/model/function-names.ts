// What DuckDB knows the functions of models by, where they have been given to it.

export const modelScoreName = 'assay_model_score'
/** A number for the text of a model: DuckDB computes it once where the text is a literal. */
export const modelHandleName = 'assay_model'
