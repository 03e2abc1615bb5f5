/* The rival: a handler over a whole file, as libosmium's manual shows it. */
#include "read_sum.h"

#include <osmium/handler.hpp>
#include <osmium/io/pbf_input.hpp>
#include <osmium/thread/pool.hpp>
#include <osmium/visitor.hpp>

namespace
{
struct Counter : osmium::handler::Handler {
    read_sum sum{};

    void node(const osmium::Node &node)
    {
        sum.nodes++;
        sum.coordinates += static_cast<std::uint64_t>(std::int64_t{node.location().x()} + node.location().y());
        sum.tags += node.tags().size();
    }
    void way(const osmium::Way &way)
    {
        sum.ways++;
        sum.refs += way.nodes().size();
        sum.tags += way.tags().size();
    }
    void relation(const osmium::Relation &relation)
    {
        sum.relations++;
        sum.members += relation.members().size();
        sum.tags += relation.tags().size();
    }
};
} // namespace

extern "C" int read_with_osmium(const char *path, int threads, read_sum *sum)
{
    try {
        osmium::thread::Pool pool{threads};
        Counter counter;
        osmium::io::Reader reader{path, pool, osmium::io::read_meta::no};
        osmium::apply(reader, counter);
        reader.close();
        *sum = counter.sum;
        return 1;
    } catch (const std::exception &) {
        return 0;
    }
}
