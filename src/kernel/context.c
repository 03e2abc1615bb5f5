/* context.c: the table of contexts, one line each. */
#include "kernel/context.h"

#include "kernel/ctx_15min.h"

#include <string.h>

static const context_row table[] = {
    {&fifteen_context, fifteen_fetch, fifteen_score},
};
enum { CONTEXTS = sizeof table / sizeof table[0] };

const context_row *context_find(const char *id)
{
    for (int i = 0; id != NULL && i < CONTEXTS; i++) {
        if (strcmp(table[i].context->id, id) == 0) return &table[i];
    }
    return NULL;
}

const ucid_context *ucid_context_get(const char *id)
{
    const context_row *row = context_find(id);
    return row != NULL ? row->context : NULL;
}

const ucid_context *ucid_context_at(int position)
{
    return position >= 0 && position < CONTEXTS ? table[position].context : NULL;
}

const char *ucid_grade_text(uint8_t grade)
{
    static const char text[][3] = {"F", "D", "C", "B", "A", "A+"};
    return text[grade <= UCID_GRADE_A_PLUS ? grade : UCID_GRADE_F];
}
