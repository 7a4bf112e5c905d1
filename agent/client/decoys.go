package client

import (
	"context"
	"net/url"

	"wormbell"
)

// Decoys returns the decoys that lie in the homes of who asks; for root,
// everybody's. A thief would like to know, so it is not told to everything that
// runs as the user: the error is an [Error] with status 403 then.
func (c *Client) Decoys(ctx context.Context) ([]wormbell.Decoy, error) {
	var out struct{ Decoys []wormbell.Decoy }
	err := c.do(ctx, "GET", "decoys", nil, &out)
	return out.Decoys, err
}

// PlantDecoy tells of a file that was just planted: Home, Path, Kind and Made are
// what counts of d. It returns once the file is guarded.
func (c *Client) PlantDecoy(ctx context.Context, d wormbell.Decoy) (out wormbell.Decoy, err error) {
	return out, c.do(ctx, "POST", "decoys", map[string]string{"home": d.Home, "path": d.Path, "kind": d.Kind, "made": d.Made}, &out)
}

// ForgetDecoy has a decoy no longer taken for one. The file stays.
func (c *Client) ForgetDecoy(ctx context.Context, id string) error {
	return c.do(ctx, "DELETE", "decoys/"+url.PathEscape(id), nil, nil)
}
