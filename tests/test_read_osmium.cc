/* The reader against libosmium, on every extract there is: the same nodes, ways and relations, in the same order, with
 * the same coordinates, references, members, roles and tags. */
extern "C" {
#include "read/osm.h"

#include "rt/digest.h"
}

#include <osmium/handler.hpp>
#include <osmium/io/pbf_input.hpp>
#include <osmium/visitor.hpp>

#include <csetjmp>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

extern "C" {
#include <cmocka.h>
}

namespace
{

/* Objects are written as text, and the texts are digested. */
struct Digest {
    std::uint64_t objects = 0, value = 0;
    std::int64_t newest = 0;
    std::string text;

    void number(std::int64_t n) { text.append(reinterpret_cast<const char *>(&n), sizeof n); }
    void string(const char *bytes, std::size_t length)
    {
        number(static_cast<std::int64_t>(length));
        text.append(bytes, length);
    }
    void begin(char type, std::int64_t id)
    {
        text.assign(1, type);
        number(id);
    }
    void end()
    {
        value = (value ^ ucid_xxh3(text.data(), text.size())) * 0x9E3779B97F4A7C15u;
        objects++;
    }
};

struct OsmiumDigest : osmium::handler::Handler {
    Digest sum;

    void tags(const osmium::OSMObject &object)
    {
        sum.newest = std::max(sum.newest, static_cast<std::int64_t>(object.timestamp().seconds_since_epoch()));
        sum.number(static_cast<std::int64_t>(object.tags().size()));
        for (const auto &tag : object.tags()) {
            sum.string(tag.key(), std::strlen(tag.key()));
            sum.string(tag.value(), std::strlen(tag.value()));
        }
        sum.end();
    }
    void node(const osmium::Node &node)
    {
        sum.begin('n', node.id());
        sum.number(node.location().y());
        sum.number(node.location().x());
        tags(node);
    }
    void way(const osmium::Way &way)
    {
        sum.begin('w', way.id());
        sum.number(static_cast<std::int64_t>(way.nodes().size()));
        for (const auto &ref : way.nodes()) sum.number(ref.ref());
        tags(way);
    }
    void relation(const osmium::Relation &relation)
    {
        sum.begin('r', relation.id());
        sum.number(static_cast<std::int64_t>(relation.cmembers().size()));
        for (const auto &member : relation.cmembers()) {
            sum.number(osmium::item_type_to_char(member.type()));
            sum.number(member.ref());
            sum.string(member.role(), std::strlen(member.role()));
        }
        tags(relation);
    }
};

void end_with_tags(Digest &sum, const osm_tag *tags, std::uint32_t count)
{
    sum.number(count);
    for (std::uint32_t i = 0; i < count; i++) {
        sum.string(tags[i].key.text, tags[i].key.length);
        sum.string(tags[i].value.text, tags[i].value.length);
    }
    sum.end();
}

ucid_status take_node(void *ctx, const osm_node *node)
{
    Digest &sum = *static_cast<Digest *>(ctx);
    sum.begin('n', node->id);
    sum.number(node->lat_e7);
    sum.number(node->lon_e7);
    end_with_tags(sum, node->tags, node->tag_count);
    return UCID_OK;
}

ucid_status take_way(void *ctx, const osm_way *way)
{
    Digest &sum = *static_cast<Digest *>(ctx);
    sum.begin('w', way->id);
    sum.number(way->ref_count);
    for (std::uint32_t i = 0; i < way->ref_count; i++) sum.number(way->refs[i]);
    end_with_tags(sum, way->tags, way->tag_count);
    return UCID_OK;
}

ucid_status take_relation(void *ctx, const osm_relation *relation)
{
    Digest &sum = *static_cast<Digest *>(ctx);
    sum.begin('r', relation->id);
    sum.number(relation->member_count);
    for (std::uint32_t i = 0; i < relation->member_count; i++) {
        const osm_member &member = relation->members[i];
        sum.number(member.type);
        sum.number(member.ref);
        sum.string(member.role.text, member.role.length);
    }
    end_with_tags(sum, relation->tags, relation->tag_count);
    return UCID_OK;
}

Digest read_ours(const std::string &path, int threads)
{
    Digest sum;
    osm_file *file;
    ucid_error error;
    if (osm_open(path.c_str(), nullptr, &file, &error) != UCID_OK) fail_msg("%s", error.message);
    osm_visitor visitor = {&sum, take_node, take_way, take_relation};
    if (osm_read(file, &visitor, threads, nullptr, nullptr, &error) != UCID_OK) fail_msg("%s", error.message);
    sum.newest = osm_newest_timestamp(file);
    osm_close(file);
    return sum;
}

std::string data_folder()
{
    const char *folder = std::getenv("UCID_DATA");
    return folder != nullptr ? folder : SOURCE_DIR "/../shared/data";
}

void every_extract_reads_as_libosmium_reads_it(void **)
{
    std::vector<std::string> paths;
    std::error_code absent;
    for (const auto &entry : std::filesystem::recursive_directory_iterator(data_folder(), absent)) {
        const std::string path = entry.path().string();
        if (path.size() > 8 && path.compare(path.size() - 8, 8, ".osm.pbf") == 0) paths.push_back(path);
    }
    if (paths.empty()) {
        print_message("skipped: no extracts in %s\n", data_folder().c_str());
        skip();
    }
    for (const std::string &path : paths) {
        OsmiumDigest theirs;
        osmium::io::Reader reader{path};
        osmium::apply(reader, theirs);
        reader.close();
        const Digest ours = read_ours(path, 2);
        assert_true(theirs.sum.objects > 0);
        if (ours.objects != theirs.sum.objects || ours.value != theirs.sum.value) {
            fail_msg("%s: %llu objects, libosmium %llu; digests %llx and %llx", path.c_str(),
                     static_cast<unsigned long long>(ours.objects), static_cast<unsigned long long>(theirs.sum.objects),
                     static_cast<unsigned long long>(ours.value), static_cast<unsigned long long>(theirs.sum.value));
        }
        assert_int_equal(ours.newest, theirs.sum.newest);
    }
    print_message("%zu extracts are equal\n", paths.size());
}

void lz4_reads_as_zlib_does(void **)
{
    const std::string plain = data_folder() + "/monaco/monaco-2021.osm.pbf";
    const std::string packed = data_folder() + "/monaco/monaco-2021-lz4.osm.pbf";
    if (!std::filesystem::exists(packed)) {
        print_message("skipped: no %s\n", packed.c_str());
        skip();
    }
    const Digest a = read_ours(plain, 1), b = read_ours(packed, 2);
    assert_int_equal(a.objects, b.objects);
    assert_int_equal(a.value, b.value);
    assert_true(a.objects > 29000);
}

} // namespace

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_extract_reads_as_libosmium_reads_it),
        cmocka_unit_test(lz4_reads_as_zlib_does),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
