/* schema.c - for people and editors: the JSON Schema of the grid format, and the list of hyperparameters */
#include "sweep/grid/grid.h"
void study_write_schema(FILE *out)
{
	(void)out;
}
void study_write_parameters(FILE *out)
{
	(void)out;
}
