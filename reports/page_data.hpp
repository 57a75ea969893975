// The page's data: the whole history as columns, and what the interactive half needs to know of the verdict.
//
// Format 1, gzip inside Base64, all numbers varints (byte_column.hpp):
//   header   length, then JSON (UTF-8): see write_header() for its fields
//   columns  each its length, then its numbers; the header names them in order. Per event, in order of the history:
//     kind    0 invoke, 1 ok, 2 fail, 3 info
//     index   minus that of the event before, minus one
//     time    in ticks of `unit` nanoseconds since the first event, minus that of the event before, zigzag
//     lane    a place shared by processes that follow each other
//     line    minus that of the event before, minus one, zigzag; left out if the source has no lines
//   per operation, in order of invocation:
//     process minus that of the operation before in its lane, zigzag
//     f, key, node, error       an index into the header's list; node and error plus one, 0 for none
//     input, output             value codes, below
//     input2, output2           second number of every pair: minus the first, zigzag
//   A value code is payload * 4 + tag. Tag 0: payload 0 nothing, 1 the input again, 2 left out for its size; 1: an integer, minus the
//   last integer seen at its key, zigzag; 2: an index into the header's `values`; 3: a pair of integers, the first coded as an integer.
//
// Up to max_page_operations are carried. Of a longer history: whole keys that failed, what happened within 5 s of a contradiction or
// the edge of a fault, and every n-th of the rest; the header says so.
#pragma once

#include <cstddef>

#include <faultline/report.hpp>

namespace faultline::reports {

inline constexpr std::size_t max_page_operations = 2'000'000;

// Base64 text without line breaks. Writes nothing for a history without client operations.
void write_page_data(const ReportInput& input, const ReportSink& sink,
                     std::size_t max_operations = max_page_operations);

}  // namespace faultline::reports
