// RouteTable: finds the route of a method and path. Internal to the router.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::security {

class RouteTable {
  public:
    RouteTable();
    ~RouteTable();
    // `name` is "METHOD /pattern/{parameter}/{rest...}"; kInvalidArgument for a malformed or taken one. Where a first
    // segment has routes below it, "{path...}" at the root takes nothing there.
    Status Add(std::string_view name, size_t route);

    struct Found {
        size_t route = 0;
        std::map<std::string, std::string> parameters;
    };
    // kNotFound: no such path; kNotSupported: there is, with other methods (put into `allowed`); kInvalidArgument: a
    // path that is refused whatever it would lead to. HEAD finds GET's route.
    Result<Found> Find(std::string_view method, std::string_view path, std::vector<std::string>& allowed) const;

  private:
    struct Node;
    struct Search;
    std::unique_ptr<Node> root_;
};

// The text with each {name} replaced by its parameter.
std::string FillParameters(std::string_view text, const std::map<std::string, std::string>& parameters);

}  // namespace tarn::security
