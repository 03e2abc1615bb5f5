/* docs.h: docstrings of what is public in the extension, in NumPy's style; tests run their examples and compare their
 * parameters with the signatures. */
#ifndef UCID_EXT_DOCS_H
#define UCID_EXT_DOCS_H

/* ---------------------------------------------------------------------------------------------------- Identifiers --
 */

#define DOC_VALUES                                                                                                     \
    "Parameters\n----------\n"                                                                                         \
    "city : str\n    Three letters, upper-cased; need not be registered.\n"                                            \
    "lat, lon : float\n    Degrees, WGS 84; within 90 and 180.\n"                                                      \
    "timestamp : str\n    Week key, ``\"2026W01T12\"``.\n"                                                             \
    "context : str\n    Up to 16 letters and digits, upper-cased; need not be known.\n"                                \
    "grade : {\"A+\", \"A\", \"B\", \"C\", \"D\", \"F\"}\n"                                                            \
    "confidence : float\n    0..1.\n"                                                                                  \
    "h3_res : int\n    H3 resolution, 0..15.\n"                                                                        \
    "flags : sequence of str, optional\n    Each of capital letters and digits; a set, in any order.\n"                \
    "h3_index : str or int, optional\n    Cell to state; default: that of the coordinates.\n"

#define DOC_CREATE_UCID                                                                                                \
    "create_ucid($module, city, lat, lon, timestamp, context, grade='F', confidence=0.0, h3_res=9, flags=None, "       \
    "h3_index=None, *, snap=False, strict=False)\n--\n\n"                                                              \
    "Make an identifier of values; what it makes, :func:`parse_ucid` accepts.\n\n" DOC_VALUES                          \
    "snap : bool\n    Take the cell of the printed coordinates, for readers that compute it from the text.\n"          \
    "strict : bool\n    Check what strict parsing checks.\n\n"                                                         \
    "Returns\n-------\nUCID\n\n"                                                                                       \
    "Raises\n------\n"                                                                                                 \
    "UCIDValidationError\n    ``INVALID_FIELD``, with the field in ``details``; strict: ``INVALID_CITY``, "            \
    "``INVALID_H3``,\n    ``H3_MISMATCH``, ``INVALID_TIME``.\n\n"                                                      \
    "Notes\n-----\nThe rules are those of docs/identifier.md; some 0.6 us.\n\n"                                        \
    "Examples\n--------\n"                                                                                             \
    ">>> made = create_ucid(\"IST\", 41.015, 28.979, \"2026W01T12\", \"15MIN\", grade=\"A\", confidence=0.95)\n"       \
    ">>> str(made)\n"                                                                                                  \
    "'UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:'\n"

#define DOC_PARSE_UCID                                                                                                 \
    "parse_ucid($module, ucid_string, strict=True)\n--\n\n"                                                            \
    "Read an identifier.\n\n"                                                                                          \
    "Parameters\n----------\n"                                                                                         \
    "ucid_string : str\n"                                                                                              \
    "strict : bool\n    The city is registered, the cell exists, has the stated resolution and meets the box that "    \
    "the\n    printed coordinates stand for, and the week exists.\n\n"                                                 \
    "Returns\n-------\nUCID\n\n"                                                                                       \
    "Raises\n------\n"                                                                                                 \
    "UCIDParseError\n    ``INVALID_PREFIX``, ``UNSUPPORTED_VERSION``, ``MALFORMED_STRING``, ``FIELD_FORMAT``; "        \
    "``details`` has\n    ``byte`` and ``field``.\n"                                                                   \
    "UCIDValidationError\n    Strict: ``INVALID_CITY``, ``INVALID_H3``, ``H3_MISMATCH``, ``INVALID_TIME``.\n\n"        \
    "Examples\n--------\n"                                                                                             \
    ">>> parse_ucid(\"UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:\").grade\n'A'\n"          \
    ">>> parse_ucid(\"UCID-V1:IST\")\n"                                                                                \
    "Traceback (most recent call last):\n    ...\n"                                                                    \
    "ucid.errors.UCIDParseError: ...\n"

#define DOC_IS_VALID_UCID                                                                                              \
    "is_valid_ucid($module, ucid_string, /)\n--\n\n"                                                                   \
    "Whether strict parsing accepts a text.\n\n"                                                                       \
    "Parameters\n----------\nucid_string : str\n\n"                                                                    \
    "Returns\n-------\nbool\n\n"                                                                                       \
    "Examples\n--------\n"                                                                                             \
    ">>> is_valid_ucid(\"UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:\")\nTrue\n"

#define DOC_PACK                                                                                                       \
    "pack($module, ucid, /)\n--\n\n"                                                                                   \
    "The binary form of an identifier: 31 bytes, little-endian.\n\n"                                                   \
    "Parameters\n----------\nucid : UCID\n\n"                                                                          \
    "Returns\n-------\nbytes\n    Version, city, latitude and longitude (float32 of what is printed), cell, hour, "    \
    "context, grade,\n    confidence * 10,000, flags; docs/identifier.md has the offsets.\n\n"                         \
    "Raises\n------\n"                                                                                                 \
    "UCIDValidationError\n    ``UNENCODABLE``: a context or flag without a number, a time before 1970W01; "            \
    "``INVALID_H3``,\n    ``H3_MISMATCH``.\n\n"                                                                        \
    "Examples\n--------\n"                                                                                             \
    ">>> made = create_ucid(\"IST\", 41.015, 28.979, \"2026W01T12\", \"15MIN\")\n"                                     \
    ">>> len(pack(made)), unpack(pack(made)) == made\n(31, True)\n"

#define DOC_UNPACK                                                                                                     \
    "unpack($module, binary, /)\n--\n\n"                                                                               \
    "Identifier of its binary form; takes :func:`pack` back.\n\n"                                                      \
    "Parameters\n----------\nbinary : bytes-like\n    31 bytes.\n\n"                                                   \
    "Returns\n-------\nUCID\n\n"                                                                                       \
    "Raises\n------\n"                                                                                                 \
    "UCIDParseError\n    ``MALFORMED_STRING``: not 31 bytes; ``UNSUPPORTED_VERSION``, ``FIELD_FORMAT``.\n"             \
    "UCIDValidationError\n    ``INVALID_H3``.\n\n"                                                                     \
    "Examples\n--------\n"                                                                                             \
    ">>> unpack(pack(create_ucid(\"IST\", 41.015, 28.979, \"2026W01T12\", \"15MIN\"))).city\n'IST'\n"

#define DOC_UCID                                                                                                       \
    "UCID(city, lat, lon, timestamp, context, grade='F', confidence=0.0, h3_res=9, flags=None, h3_index=None, "        \
    "version='V1')\n--\n\n"                                                                                            \
    "An identifier: immutable, hashable, ordered as its canonical text, which ``str()`` gives.\n\n" DOC_VALUES         \
    "version : str\n    ``\"V1\"``.\n\n"                                                                               \
    "Raises\n------\nUCIDValidationError\n    ``INVALID_FIELD``.\n\n"                                                  \
    "Examples\n--------\n"                                                                                             \
    ">>> one = UCID(\"IST\", 41.015, 28.979, \"2026W01T12\", \"15MIN\", grade=\"A\", confidence=0.95)\n"               \
    ">>> one.h3_index, one.lat3, one.flags\n('891ec90243bffff', '+41.015', [])\n"

/* ---------------------------------------------------------------------------------------------------------- Cells --
 */

#define DOC_CELL_PARAMETER "h3_index : str or int\n    Cell: 15 hexadecimal digits, or its number.\n"
#define DOC_CELL_ERROR "UCIDValidationError\n    ``INVALID_H3``.\n"

#define DOC_LATLNG_TO_CELL                                                                                             \
    "latlng_to_cell($module, lat, lon, resolution, /)\n--\n\n"                                                         \
    "H3 cell that holds a coordinate; the same on every machine, and libh3's.\n\n"                                     \
    "Parameters\n----------\n"                                                                                         \
    "lat, lon : float\n    Degrees, WGS 84.\n"                                                                         \
    "resolution : int\n    0..15.\n\n"                                                                                 \
    "Returns\n-------\nstr\n    15 lower hexadecimal digits.\n\n"                                                      \
    "Raises\n------\nUCIDValidationError\n    ``INVALID_FIELD``: a value is not finite or out of range.\n\n"           \
    "Examples\n--------\n>>> latlng_to_cell(41.015, 28.979, 9)\n'891ec90243bffff'\n"

#define DOC_CELL_TO_LATLNG                                                                                             \
    "cell_to_latlng($module, h3_index, /)\n--\n\n"                                                                     \
    "Centre of a cell.\n\n"                                                                                            \
    "Parameters\n----------\n" DOC_CELL_PARAMETER "\n"                                                                 \
    "Returns\n-------\ntuple of float\n    Latitude, longitude, degrees.\n\n"                                          \
    "Raises\n------\n" DOC_CELL_ERROR "\n"                                                                             \
    "Examples\n--------\n"                                                                                             \
    ">>> tuple(round(degrees, 4) for degrees in cell_to_latlng(\"891ec90243bffff\"))\n(41.0144, 28.9804)\n"

#define DOC_CELL_TO_BOUNDARY                                                                                           \
    "cell_to_boundary($module, h3_index, /)\n--\n\n"                                                                   \
    "Corners of a cell, counter-clockwise, not closed.\n\n"                                                            \
    "Parameters\n----------\n" DOC_CELL_PARAMETER "\n"                                                                 \
    "Returns\n-------\nlist of tuple of float\n    5 to 10 pairs of latitude and longitude, degrees; more than 6 "     \
    "where the cell lies across an edge of\n    the icosahedron.\n\n"                                                  \
    "Raises\n------\n" DOC_CELL_ERROR "\n"                                                                             \
    "Examples\n--------\n>>> len(cell_to_boundary(\"891ec90243bffff\"))\n6\n"

#define DOC_CELL_RESOLUTION                                                                                            \
    "cell_resolution($module, h3_index, /)\n--\n\n"                                                                    \
    "Resolution of a cell.\n\n"                                                                                        \
    "Parameters\n----------\n" DOC_CELL_PARAMETER "\n"                                                                 \
    "Returns\n-------\nint\n    0..15.\n\n"                                                                            \
    "Raises\n------\n" DOC_CELL_ERROR "\n"                                                                             \
    "Examples\n--------\n>>> cell_resolution(\"891ec90243bffff\")\n9\n"

#define DOC_CELL_AREA                                                                                                  \
    "cell_area($module, h3_index, /)\n--\n\n"                                                                          \
    "Area of a cell on a sphere of 6,371.007 km.\n\n"                                                                  \
    "Parameters\n----------\n" DOC_CELL_PARAMETER "\n"                                                                 \
    "Returns\n-------\nfloat\n    Square kilometres.\n\n"                                                              \
    "Raises\n------\n" DOC_CELL_ERROR "\n"                                                                             \
    "Examples\n--------\n>>> round(cell_area(\"891ec90243bffff\"), 3)\n0.116\n"

#define DOC_CELL_TO_PARENT                                                                                             \
    "cell_to_parent($module, h3_index, resolution, /)\n--\n\n"                                                         \
    "Cell of a coarser, or the same, resolution that a cell belongs to.\n\n"                                           \
    "Parameters\n----------\n" DOC_CELL_PARAMETER "resolution : int\n    0 to that of the cell.\n\n"                   \
    "Returns\n-------\nstr\n    15 lower hexadecimal digits.\n\n"                                                      \
    "Raises\n------\n" DOC_CELL_ERROR "UCIDConfigError\n    ``INVALID_ARGUMENT``: the resolution.\n\n"                 \
    "Examples\n--------\n>>> cell_to_parent(\"891ec90243bffff\", 7)\n'871ec9024ffffff'\n"

#define DOC_K_RING                                                                                                     \
    "k_ring($module, h3_index, k, /)\n--\n\n"                                                                          \
    "Cells within ``k`` steps of a cell, itself among them, ascending.\n\n"                                            \
    "Parameters\n----------\n" DOC_CELL_PARAMETER "k : int\n    0..1000.\n\n"                                          \
    "Returns\n-------\nlist of str\n    3 k (k + 1) + 1 cells, fewer around a pentagon.\n\n"                           \
    "Raises\n------\n" DOC_CELL_ERROR "UCIDConfigError\n    ``INVALID_ARGUMENT``: ``k``.\n\n"                          \
    "Examples\n--------\n>>> len(k_ring(\"891ec90243bffff\", 2))\n19\n"

/* ------------------------------------------------------------------------------------------- Indexes and contexts --
 */

#define DOC_INDEX                                                                                                      \
    "Index(path)\n--\n\n"                                                                                              \
    "A region's street network and places: a file, mapped read-only; see :func:`ucid.build_index`.\n\n"                \
    "Threads may share it, and it survives fork. It pickles as its path and id, and another process maps the same "    \
    "file,\nor fetches it where it was fetched from.\n\n"                                                              \
    "Parameters\n----------\npath : path\n    A ``.ucidx`` file.\n\n"                                                  \
    "Raises\n------\nUCIDDataError\n    ``FILE_NOT_FOUND``, ``INDEX_FORMAT``, ``INDEX_CORRUPT``.\n"

#define DOC_INDEX_CHECK                                                                                                \
    "check($self, /)\n--\n\n"                                                                                          \
    "Verify every checksum and every rule of docs/index-format.md; reads the whole file.\n\n"                          \
    "Raises\n------\nUCIDDataError\n    ``INDEX_CORRUPT``, naming the section.\n\n"                                    \
    "Examples\n--------\n>>> ucid.open_index(\"town.ucidx\").check()\n"

#define DOC_EXPLAIN_ROWS                                                                                               \
    "explain_rows($self, lat, lon, context='15MIN', /)\n--\n\n"                                                        \
    "Reasons of a place's score, as tuples; see :func:`ucid.explain`.\n\n"                                             \
    "Parameters\n----------\nlat, lon : float\n    Degrees, WGS 84.\ncontext : str\n\n"                                \
    "Returns\n-------\nlist of tuple\n    part, counted, osm_type, osm_id, name, tag, quality, distance_m, lat, "      \
    "lon.\n\n"                                                                                                         \
    "Raises\n------\nUCIDError\n    The place has no score.\n\n"                                                       \
    "Examples\n--------\n>>> len(ucid.open_index(\"town.ucidx\").explain_rows(40.0, -40.0)) > 0\nTrue\n"

#define DOC_CONTEXT_RESULT                                                                                             \
    "Score of one place in one context: a value, which pickles and compares as its fields.\n\n"                        \
    "Notes\n-----\nWhat a score means is in docs/contexts.md. A place without a score has NaN in ``score`` and says "  \
    "why in ``status``:\n``off_network`` (score 0: no street within the snap limit), ``outside_index``, "              \
    "``invalid_coordinates``;\n``island`` and ``near_boundary`` are scores with a doubt.\n"

#define DOC_CONTEXT                                                                                                    \
    "Context(context_id, resolver)\n--\n\n"                                                                            \
    "A built-in context; :func:`ucid.get_context` gives it. It pickles with the index or catalog that it asks.\n\n"    \
    "Parameters\n----------\n"                                                                                         \
    "context_id : str\n    ``\"15MIN\"``.\n"                                                                           \
    "resolver : callable\n    Gives the Index that answers for a cell of resolution 7 (str).\n\n"                      \
    "Raises\n------\nUCIDContextError\n    ``CONTEXT_NOT_FOUND``.\n"

#define DOC_COMPUTE                                                                                                    \
    "compute($self, lat, lon, timestamp=None)\n--\n\n"                                                                 \
    "Score one place.\n\n"                                                                                             \
    "Parameters\n----------\n"                                                                                         \
    "lat, lon : float\n    Degrees, WGS 84.\n"                                                                         \
    "timestamp : str, optional\n    Week key such as ``\"2026W01T12\"``; None: the week of the index's data.\n\n"      \
    "Returns\n-------\nContextResult\n\n"                                                                              \
    "Raises\n------\n"                                                                                                 \
    "UCIDDataError\n    ``INDEX_NOT_FOUND``: no index is chosen, or none covers the place.\n"                          \
    "UCIDValidationError\n    ``INVALID_FIELD``: a coordinate; ``INVALID_TIME``.\n\n"                                  \
    "Examples\n--------\n"                                                                                             \
    ">>> used = ucid.use_index(\"town.ucidx\")\n"                                                                      \
    ">>> ucid.get_context(\"15MIN\").compute(40.0, -40.0, \"2026W01T12\").status\n'ok'\n"

#define DOC_FORGET_INDEXES                                                                                             \
    "forget_indexes($self, /)\n--\n\n"                                                                                 \
    "Ask the resolver again from the next place on.\n"

#define DOC_ARROW_STREAM                                                                                               \
    "A stream of tables, computed while it is read, once.\n\n"                                                         \
    "pyarrow, polars, DuckDB, nanoarrow and pandas 3 take it as it is, without a copy (the Arrow PyCapsule "           \
    "interface, "                                                                                                      \
    "\nhttps://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html).\n\n"                              \
    "Examples\n--------\n"                                                                                             \
    ">>> import pyarrow as pa\n"                                                                                       \
    ">>> stream = ucid.grid((41.0, 28.9, 41.1, 29.0), resolution=7)\n"                                                 \
    ">>> stream.column_names\n['h3', 'lat', 'lon']\n"                                                                  \
    ">>> pa.table(stream).num_rows\n16\n"

#define DOC_STREAM_EXPORT                                                                                              \
    "__arrow_c_stream__($self, requested_schema=None)\n--\n\n"                                                         \
    "Arrow PyCapsule interface: hand the stream over, once.\n\n"                                                       \
    "Parameters\n----------\nrequested_schema : capsule, optional\n    Advice, which is not taken.\n\n"                \
    "Returns\n-------\ncapsule\n    ``arrow_array_stream``.\n\n"                                                       \
    "Raises\n------\nValueError\n    It was read already.\n"

#define DOC_STREAM_SCHEMA                                                                                              \
    "__arrow_c_schema__($self, /)\n--\n\n"                                                                             \
    "Arrow PyCapsule interface: the schema.\n\n"                                                                       \
    "Returns\n-------\ncapsule\n    ``arrow_schema``.\n\n"                                                             \
    "Raises\n------\nValueError\n    It was read already.\n"

#endif
