/* texts.h: rows of a column of texts. */
#ifndef UCID_ID_TEXTS_H
#define UCID_ID_TEXTS_H

#include "rt/bits.h"
#include "ucid.h"

static inline ucid_text row_text(const ucid_texts *texts, int64_t i)
{
    ucid_text text = {texts->data, texts->length};
    if (texts->offsets != NULL) {
        text.data += texts->offsets[i];
        text.length = (size_t)(texts->offsets[i + 1] - texts->offsets[i]);
    } else if (texts->offsets64 != NULL) {
        text.data += texts->offsets64[i];
        text.length = (size_t)(texts->offsets64[i + 1] - texts->offsets64[i]);
    }
    return text;
}

#endif
