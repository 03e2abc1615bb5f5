/* Extracts: bytes that begin with 0 are a file, as every real one begins; others are a block as it comes out of a blob,
 * so that no checksum of zlib stands in the way. All strings that are delivered are touched. */
#include "read/osm.h"
#include "read/osm_block.h"
#include "rt/memory.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t touched;

/* An assertion in release builds too. */
static void require(int holds)
{
    if (!holds) abort();
}

static void touch(osm_string string)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < string.length; i++) sum += (uint8_t)string.text[i];
    touched += sum;
}

static void touch_tags(const osm_tag *tags, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        touch(tags[i].key);
        touch(tags[i].value);
    }
}

static ucid_status take_node(void *ctx, const osm_node *node)
{
    require(node->lat_e7 >= -900000000 && node->lat_e7 <= 900000000);
    require(node->lon_e7 >= -1800000000 && node->lon_e7 <= 1800000000);
    touch_tags(node->tags, node->tag_count);
    ++*(uint64_t *)ctx;
    return UCID_OK;
}

static ucid_status take_way(void *ctx, const osm_way *way)
{
    for (uint32_t i = 0; i < way->ref_count; i++) touched += (uint64_t)way->refs[i];
    touch_tags(way->tags, way->tag_count);
    ++*(uint64_t *)ctx;
    return UCID_OK;
}

static ucid_status take_relation(void *ctx, const osm_relation *relation)
{
    for (uint32_t i = 0; i < relation->member_count; i++) {
        require(strchr("nwr", relation->members[i].type) != NULL);
        touch(relation->members[i].role);
    }
    touch_tags(relation->tags, relation->tag_count);
    ++*(uint64_t *)ctx;
    return UCID_OK;
}

static void check_error(ucid_status status, const ucid_error *error)
{
    if (status == UCID_OK) return;
    require(status == error->status);
    require(strncmp(error->message, "fuzz: ", 6) == 0 || status == UCID_NO_MEMORY);
}

static void read_file(const uint8_t *data, size_t size)
{
    osm_file *file;
    ucid_error error;
    ucid_status status = osm_open_memory("fuzz", data, size, NULL, &file, &error);
    check_error(status, &error);
    if (status != UCID_OK) return;
    uint64_t counts[4] = {0};
    osm_visitor nodes = {&counts[0], take_node, NULL, NULL}, ways = {&counts[1], NULL, take_way, NULL};
    osm_visitor relations = {&counts[2], NULL, NULL, take_relation};
    osm_visitor all = {&counts[3], take_node, take_way, take_relation};
    int failed = 0;
    const osm_visitor *passes[] = {&relations, &ways, &nodes, &all};
    for (int i = 0; i < 4; i++) {
        status = osm_read(file, passes[i], 1, NULL, NULL, &error);
        check_error(status, &error);
        failed |= status != UCID_OK;
    }
    /* what three passes see is what one sees */
    if (!failed) require(counts[0] + counts[1] + counts[2] == counts[3]);
    osm_close(file);
}

static void read_block(const uint8_t *data, size_t size)
{
    osm_block block = {0};
    uint64_t count = 0;
    osm_visitor all = {&count, take_node, take_way, take_relation};
    uint8_t *bytes = malloc(size + PB_PADDING);
    if (bytes == NULL) return;
    memcpy(bytes, data, size);
    memset(bytes + size, 0, PB_PADDING);
    ucid_status status = osm_block_open(&block, &ucid_default_allocator, bytes, size, OSM_ALL, OSM_ALL);
    while (status == UCID_OK) {
        status = osm_block_decode(&block, &ucid_default_allocator);
        if (status != UCID_OK || block.batch.count == 0) break;
        status = osm_block_visit(&block, &all);
    }
    touched += (uint64_t)osm_block_newest(&block);
    require(status != UCID_DATA_ERROR || block.cause[0] != '\0');
    osm_block_reset(&block, &ucid_default_allocator);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] != 0) {
        read_block(data + 1, size - 1);
    } else {
        read_file(data, size);
    }
    return 0;
}
